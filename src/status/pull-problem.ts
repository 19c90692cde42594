/**
 * Why bytes did not come from a registry, read from the words of the kubelet, containerd, Flux and Helm.
 *
 * Each says the same few causes in its own sentences, so the sentences are data: first match wins, most particular
 * first. Whoever pulls (an image, a chart, the source), the causes and next steps are the same.
 */
export type PullProblem =
  | "disk-full"
  | "rate-limited"
  | "digest"
  | "unauthorized"
  | "not-found"
  | "certificate"
  | "name"
  | "network"
  | "invalid"
  | "other";

const SENTENCES: readonly (readonly [PullProblem, RegExp])[] = [
  ["disk-full", /no space left on device|disk quota exceeded/i],
  ["rate-limited", /toomanyrequests|too many requests|rate limit|\b429\b/i],
  [
    "digest",
    /digest mismatch|digest.* (?:does not|did not) match|to verify.*digest|unexpected commit digest|failed size validation|integrity|error verifying \w+ (?:checksum|size)/i,
  ],
  ["certificate", /x509|certificate (?:signed|has expired|is not valid|verify)|tls: |unknown authority/i],
  ["name", /no such host|server misbehaving|temporary failure in name resolution|lookup .* on .*:53/i],
  ["network", /connection refused|connection reset|i\/o timeout|no route to host|network is unreachable|proxyconnect/i],
  [
    "unauthorized",
    /authorization failed|failed to authorize|may require authorization|no basic auth|insufficient_scope|\b401\b/i,
  ],
  [
    "not-found",
    /manifest unknown|name unknown|\bnot found\b|repository .* does not exist|\b404\b|no match for semver/i,
  ],
  ["unauthorized", /unauthorized|authentication required|\b403\b|forbidden|denied|pull access/i],
  [
    "network",
    /timed? ?out|deadline exceeded|\beof\b|dial tcp|\b50[0234]\b|service unavailable|bad gateway|broken pipe/i,
  ],
  ["invalid", /invalid reference format|invalidimagename|couldn't parse image|must be lowercase/i],
];

/** Names the cause in a message of whoever pulled; `other` when no sentence is known. */
export function pullProblemOf(message: string): PullProblem {
  const bounded = message.slice(0, 8192);
  return SENTENCES.find(([, sentence]) => sentence.test(bounded))?.[0] ?? "other";
}
