/**
 * The page over TLS, beside the plain one: the same application on another port, with the certificate of the box.
 *
 * Looks every few seconds whether another certificate is in force (the box has a new address, the operator brought one, the old one
 * ends) and then listens anew with it. Without a certificate or a free port the plain page stays, and it tries again.
 */
import type { Listen, Listening, ListenOptions } from "../cli/command.ts";
import type { BoxCertificate } from "../core/certificate.ts";
import { isApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import { type CertificateDeps, ensureCertificate, ownCertificateProblem } from "./certificate.ts";

/** Milliseconds between two looks at names, addresses and files. */
const LOOK_MS = 10_000;
/** Milliseconds that requests get to end when the certificate is replaced. */
const CHANGE_MS = 2_000;

export interface SecureOptions {
  readonly listen: Listen;
  readonly paths: Pick<StatePaths, "tls">;
  readonly host: string;
  /** 0 takes a free one, and keeps it. */
  readonly port: number;
  readonly handle: ListenOptions["handle"];
}

export interface SecurePage {
  /** Port it listens on now; null while it does not. */
  port(): number | null;
  /** Stops looking and listening. Safe to call again. */
  close(drainMs: number): Promise<void>;
}

interface Shown {
  readonly listening: Listening;
  readonly fingerprint: string;
}

/** Starts it. Never throws: what hinders it is logged, once for each reason, and tried again. */
export async function openSecurePage(deps: CertificateDeps, options: SecureOptions): Promise<SecurePage> {
  const end = new AbortController();
  let shown: Shown | undefined;
  const tell = tellOnce(deps.log);
  let { port } = options;
  const look = async (): Promise<void> => {
    try {
      tell("the operator's certificate needs somebody", await ownCertificateProblem(deps, options.paths));
      const certificate = await ensureCertificate(deps, options.paths);
      if (certificate.fingerprint === shown?.fingerprint) return;
      await shown?.listening.close(CHANGE_MS);
      shown = undefined;
      shown = await show(options, { port, certificate });
      ({ port } = shown.listening);
      tell("page over TLS cannot be served now", undefined);
      deps.log.info("page over TLS is served", { port, origin: certificate.origin, begins: certificate.short });
    } catch (error) {
      tell("page over TLS cannot be served now", error instanceof Error ? error.message : String(error));
    }
  };
  await look();
  const looking = keepLooking(deps, look, end.signal);
  return {
    port: () => (shown === undefined ? null : shown.listening.port),
    close: async (drainMs) => {
      end.abort();
      await looking;
      await shown?.listening.close(drainMs);
      shown = undefined;
    },
  };
}

/** Logs a reason once, and again when it is another one. */
function tellOnce(log: CertificateDeps["log"]): (what: string, why: string | undefined) => void {
  const told = new Map<string, string | undefined>();
  return (what, why) => {
    if (why !== undefined && told.get(what) !== why) log.warn(what, { why });
    told.set(what, why);
  };
}

async function show(
  { listen, host, handle }: SecureOptions,
  { port, certificate }: { readonly port: number; readonly certificate: BoxCertificate },
): Promise<Shown> {
  const listening = await listen({ host, port, tls: certificate.pair, handle });
  return { listening, fingerprint: certificate.fingerprint };
}

async function keepLooking(
  { clock }: Pick<CertificateDeps, "clock">,
  look: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(LOOK_MS, signal);
      await look();
    }
  } catch (thrown) {
    if (!isApplianceError(thrown, "internal/aborted")) throw thrown;
  }
}
