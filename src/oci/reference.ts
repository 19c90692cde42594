/**
 * OCI references: `host[:port]/repository[:tag][@digest]`, also with `oci://` in front.
 *
 * A reference is parsed once, here, from text that a person, a flag or a release manifest gave; afterwards its parts
 * cannot hold a character that means something in a URL.
 *
 * @see OCI distribution-spec v1.1.1, "Pulling manifests" (grammar of name and tag)
 */
import { type Digest, parseDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";

export interface Reference {
  /** `host[:port]`, in lower case. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const HOST = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9a-f:.]{2,45}\\])(?::(\\d{1,5}))?$`);
/** Host, repository and separators; Docker's own bound for the name. */
const MAX_NAME = 255;

/** Tells whether a text is the name of a repository, without registry and tag. @see OCI distribution-spec v1.1.1, "Pulling manifests" */
export function isRepository(text: string): boolean {
  return text.length <= MAX_NAME && REPOSITORY.test(text);
}

/** Tells whether a text is a tag: at most 128 characters. @see OCI distribution-spec v1.1.1, "Pulling manifests" */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Tells whether a text is `host` or `host:port`, with an IPv6 address in brackets. */
export function isRegistryHost(text: string): boolean {
  const match = HOST.exec(text.toLowerCase());
  const port = match?.[1];
  return (
    match !== null && text.length <= MAX_NAME && (port === undefined || (Number(port) > 0 && Number(port) < 65_536))
  );
}

/**
 * Parses a reference.
 *
 * Without `oci://` the first part is a registry when it has a dot or a port or is "localhost"; else `defaults.registry`
 * is taken.
 *
 * @throws {ApplianceError} oci/bad-reference when a part is missing or has another form; oci/bad-digest for its digest.
 */
export function parseReference(text: string, defaults: { readonly registry?: string } = {}): Reference {
  const refuse = (what: string): never => {
    throw new ApplianceError("oci/bad-reference", `Cannot use reference "${text.slice(0, 200)}": ${what}`, {
      hint: "Write it as host/repository:tag or host/repository@sha256:<64 hex digits>",
    });
  };
  const whole = text.startsWith("oci://");
  const { name, tag, digest } = splitSuffixes(whole ? text.slice("oci://".length) : text, refuse);
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const hasRegistry = whole || first.includes(".") || first.includes(":") || first === "localhost";
  const registry = (hasRegistry ? first : (defaults.registry ?? refuse("it names no registry"))).toLowerCase();
  const repository = hasRegistry ? name.slice(slash + 1) : name;
  if (!isRegistryHost(registry)) refuse("its registry is not a host with an optional port");
  if (!isRepository(repository)) refuse("its repository is not lower-case words joined by / . _ -");
  return { registry, repository, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

function splitSuffixes(
  text: string,
  refuse: (what: string) => never,
): { readonly name: string; readonly tag: string | undefined; readonly digest: Digest | undefined } {
  if (text.length > 2 * MAX_NAME) refuse("it is too long");
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1));
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  if (colon <= named.lastIndexOf("/")) return { name: named, tag: undefined, digest };
  const tag = named.slice(colon + 1);
  if (!isTag(tag)) refuse("its tag is not letters, digits, . _ -, at most 128 of them");
  return { name: named.slice(0, colon), tag, digest };
}
