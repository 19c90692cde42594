/**
 * The certificate of the page over its life: made at the first start, made anew before it ends or when the box got a name or an
 * address that it lacks, and set aside while the operator's own is there.
 *
 * A new certificate has a new fingerprint, so none is made without need: names that were once in it stay in it.
 */
import {
  type BoxCertificate,
  certificateFacts,
  certificateFiles,
  parseTlsPair,
  readBoxCertificate,
  type TlsPair,
} from "../core/certificate.ts";
import { isApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";

const DAY_MS = 86_400_000;
/** Shorter than the 825 days that some browsers allow at most. */
const LIFE_MS = 730 * DAY_MS;
const RENEW_MS = 60 * DAY_MS;
/** The operator's own is renewed by the operator, who may need a while. */
const WARN_MS = 30 * DAY_MS;
/** Clocks of the box and of the browser differ. */
const EARLIER_MS = DAY_MS;
const MAX_NAMES = 24;
const MAX_PEM_BYTES = 128 * 1024;
const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
const LOCAL: readonly string[] = ["localhost", "127.0.0.1", "::1"];

export type CertificateDeps = Pick<Deps, "files" | "clock" | "random" | "machine" | "network" | "log">;

/**
 * The certificate to show now. Makes one where there is none, or where the one that the box made ends within 60 days, is not valid by
 * the clock of now, or lacks a name or address of the box. Safe to call again: it changes nothing while all is well.
 *
 * @throws {ApplianceError} file/disk-full or file/unwritable when a new one cannot be kept: one that nobody could compare is not shown.
 */
export async function ensureCertificate(
  deps: CertificateDeps,
  paths: Pick<StatePaths, "tls">,
): Promise<BoxCertificate> {
  const found = await readBoxCertificate(deps.files, paths);
  if (found?.origin === "own") return found;
  const names = await namesOfBox(deps);
  if (found !== undefined && isGood(found, { now: deps.clock.now(), names })) return found;
  const pair = await makePair(deps, boundedNames(names, found?.names ?? []));
  await deps.files.makeDirectory(paths.tls, { mode: 0o700 });
  await deps.files.write(certificateFiles(paths).made, `${pair.cert}${pair.key}`, { mode: 0o600 });
  const facts = certificateFacts(pair.cert);
  deps.log.info("certificate of the page made", { begins: facts.short, names: facts.names.join(" ") });
  return { origin: "made", pair, ...facts };
}

/** The library is loaded when a certificate is made, and that is once in two years. */
async function makePair(deps: Pick<Deps, "clock" | "random" | "machine">, names: readonly string[]): Promise<TlsPair> {
  const { makeCertificate } = await import("./certificate-make.ts");
  const now = deps.clock.now();
  return makeCertificate(deps.random, {
    commonName: await deps.machine.hostName(),
    names,
    notBeforeMs: now - EARLIER_MS,
    notAfterMs: now + LIFE_MS,
  });
}

/**
 * What is wrong with the operator's own certificate, in one sentence; undefined where there is none or all is well. Damage must not
 * take the page away: the box's own certificate stands in. One that ended is still shown, as nobody asked for another fingerprint.
 */
export async function ownCertificateProblem(
  { files, clock }: Pick<Deps, "files" | "clock">,
  paths: Pick<StatePaths, "tls">,
): Promise<string | undefined> {
  const { own } = certificateFiles(paths);
  try {
    const bytes = await files.read(own, { maxBytes: MAX_PEM_BYTES });
    if (bytes === undefined) return undefined;
    const { notAfterMs } = certificateFacts(parseTlsPair(new TextDecoder().decode(bytes), own).cert);
    const leftMs = notAfterMs - clock.now();
    if (leftMs > WARN_MS) return undefined;
    return `${own} ${leftMs > 0 ? "ends" : "ended"} on ${toInstant(notAfterMs).slice(0, 10)}: bring the next one with "host certificate use"`;
  } catch (error) {
    if (!isApplianceError(error)) throw error;
    return error.message;
  }
}

async function namesOfBox({ machine, network }: Pick<Deps, "machine" | "network">): Promise<readonly string[]> {
  const [host, addresses] = await Promise.all([machine.hostName(), network.addresses()]);
  const name = host.toLowerCase();
  return [...(HOST_NAME.test(name) ? [name] : []), ...addresses, ...LOCAL];
}

function isGood(found: BoxCertificate, wanted: { readonly now: number; readonly names: readonly string[] }): boolean {
  const inTime = found.notBeforeMs <= wanted.now && wanted.now < found.notAfterMs - RENEW_MS;
  return inTime && wanted.names.slice(0, MAX_NAMES).every((name) => found.names.includes(name));
}

/** Names of now first; of the older ones as many as there is room for. */
function boundedNames(now: readonly string[], before: readonly string[]): readonly string[] {
  return [...new Set([...now, ...before])].slice(0, MAX_NAMES);
}
