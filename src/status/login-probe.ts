/**
 * The login probe: a real request to the application, its redirects followed to the page where people log in.
 *
 * Everything that answers is untrusted: at most eight redirects, 512 KiB of a page and ten seconds, no cookies, no
 * credentials. Redirects stay on the hosts of the application (any port, http or https); another site ends the probe.
 * Inside the cluster the application sends to its public name; the probe then goes on at the same path inside, because
 * the public way is asked by itself.
 */
import { withDeadline } from "../core/deadline.ts";
import { ApplianceError, type ErrorCode, isApplianceError, publicError } from "../core/errors.ts";
import type { Clock, Fetch, Network, PeerCertificate } from "../core/ports.ts";
import { oneLine } from "./evidence.ts";
import { isLoginPage, type PageRules, pageTitle } from "./login-page.ts";
import type { LoginAnswer, LoginOutcome } from "./observation.ts";

const MAX_REDIRECTS = 8;
const MAX_PAGE_BYTES = 512 * 1024;
const TIMEOUT_MS = 10_000;

export interface LoginProbeDeps {
  readonly clock: Pick<Clock, "now" | "monotonic" | "after">;
  /** Follows no redirects, as the port says. */
  readonly fetch: Fetch;
  /** Reads the certificate of an https address; absent: it is not read. */
  readonly network?: Pick<Network, "certificate">;
}

export interface LoginProbeOptions extends PageRules {
  /** Hosts beside the one of the address that redirects may lead to, mapped back onto the address. */
  readonly aliases?: readonly string[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What one probe found; who keeps answers knows since when the outcome is the same. */
export type ProbeAnswer = Omit<LoginAnswer, "sinceMs">;

/**
 * Asks one address for the login page. What goes wrong out there is an outcome, not an error.
 *
 * @throws {ApplianceError} internal/aborted when the signal fires.
 */
export async function probeLogin(
  deps: LoginProbeDeps,
  address: string,
  options: LoginProbeOptions = {},
): Promise<ProbeAnswer> {
  const startedMs = deps.clock.monotonic();
  const hops: string[] = [];
  const end = await reach(deps, { address, hops, options }).catch((thrown: unknown) => failure(thrown, options.signal));
  const secured = address.startsWith("https:") && deps.network !== undefined;
  const certificate = secured ? await certificateOf(deps.network, new URL(address)) : undefined;
  return {
    url: bare(address),
    atMs: deps.clock.now(),
    tookMs: Math.round(deps.clock.monotonic() - startedMs),
    ...end,
    ...(hops.length === 0 ? {} : { hops }),
    ...(certificate === undefined ? {} : { certificate }),
  };
}

interface End {
  readonly outcome: LoginOutcome;
  readonly status?: number;
  readonly text: string;
}

interface Walk {
  readonly address: string;
  /** Filled while redirects are followed. */
  readonly hops: string[];
  readonly options: LoginProbeOptions;
}

function reach(deps: LoginProbeDeps, walk: Walk): Promise<End> {
  const { signal, timeoutMs = TIMEOUT_MS } = walk.options;
  return withDeadline(deps.clock, timeoutMs, {
    what: "the login page",
    ...(signal === undefined ? {} : { parent: signal }),
    work: (limit) => follow(deps, walk, limit),
  });
}

async function follow(deps: LoginProbeDeps, walk: Walk, signal: AbortSignal): Promise<End> {
  const seen = new Set<string>();
  let url = new URL(walk.address);
  for (let step = 0; step <= MAX_REDIRECTS; step += 1) {
    if (seen.has(url.href)) return { outcome: "redirect-loop", text: `Redirects come back to ${bare(url.href)}` };
    seen.add(url.href);
    const request = new Request(url, { headers: { accept: "text/html" }, redirect: "manual", signal });
    const response = await deps.fetch(request);
    const target = targetOf(response, url);
    if (target === undefined) return judgePage(response, walk.options);
    await response.body?.cancel();
    walk.hops.push(bare(target.href));
    const next = allowed(target, walk);
    if (next === undefined) {
      return {
        outcome: "foreign-redirect",
        status: response.status,
        text: `${response.status} to ${bare(target.href)}`,
      };
    }
    url = next;
  }
  return { outcome: "redirect-loop", text: `More than ${MAX_REDIRECTS} redirects` };
}

/** Where a redirect leads; undefined when the answer is none. A redirect without a usable address is an answer. */
function targetOf(response: Response, from: URL): URL | undefined {
  const location = response.headers.get("location");
  if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return undefined;
  return URL.canParse(location, from) ? new URL(location, from) : undefined;
}

function allowed(target: URL, { address, options }: Walk): URL | undefined {
  if (target.protocol !== "http:" && target.protocol !== "https:") return undefined;
  const origin = new URL(address);
  if (target.hostname === origin.hostname) return target;
  if (!(options.aliases ?? []).includes(target.hostname)) return undefined;
  return new URL(`${target.pathname}${target.search}`, origin);
}

async function judgePage(response: Response, rules: PageRules): Promise<End> {
  const { status } = response;
  const type = response.headers.get("content-type") ?? "";
  const text = `${status} ${oneLine(type === "" ? "without a content type" : type, 100)}`;
  if (status !== 200) {
    await response.body?.cancel();
    return { outcome: status >= 500 ? "server-error" : status >= 400 ? "client-error" : "wrong-page", status, text };
  }
  if (!/^(?:text\/html|application\/xhtml\+xml)\b/i.test(type)) {
    await response.body?.cancel();
    return { outcome: "wrong-page", status, text: `${text}, an HTML page is wanted` };
  }
  const html = await readPage(response);
  if (isLoginPage(html, rules)) return { outcome: "login-page", status, text: `${text}, a page with a password field` };
  const title = oneLine(pageTitle(html), 120);
  return { outcome: "wrong-page", status, text: `${text}, no password field; title ${title === "" ? "none" : title}` };
}

async function readPage(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    sizeBytes += value.length;
    if (sizeBytes >= MAX_PAGE_BYTES) {
      await reader.cancel();
      break;
    }
  }
  return Buffer.concat(chunks).subarray(0, MAX_PAGE_BYTES).toString("utf8");
}

const BY_CODE: readonly (readonly [LoginOutcome, readonly ErrorCode[]])[] = [
  ["no-such-name", ["net/dns"]],
  ["refused", ["net/unreachable", "net/proxy"]],
  ["no-answer", ["net/timeout", "internal/timeout"]],
  ["certificate", ["net/tls"]],
];

function failure(thrown: unknown, signal: AbortSignal | undefined): End {
  if (signal?.aborted === true) throw thrown;
  if (!(thrown instanceof ApplianceError)) throw thrown;
  const outcome = BY_CODE.find(([, codes]) => isApplianceError(thrown, ...codes))?.[0] ?? "broken";
  return { outcome, text: oneLine(publicError(thrown).message, 400) };
}

async function certificateOf(
  network: Pick<Network, "certificate"> | undefined,
  url: URL,
): Promise<PeerCertificate | undefined> {
  const port = url.port === "" ? 443 : Number(url.port);
  return network?.certificate(url.hostname, port, { timeoutMs: 5_000 }).catch(() => undefined);
}

/** An address without query and fragment: tokens may stand there. */
function bare(address: string): string {
  const url = new URL(address);
  return `${url.origin}${url.pathname}`.slice(0, 400);
}
