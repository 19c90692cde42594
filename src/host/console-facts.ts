/** What the banner shows, gathered: addresses, the bootstrap of this boot, whether the page answers, claim and token. */
import { readBoxCertificate } from "../core/certificate.ts";
import { isApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps, Fetch } from "../core/ports.ts";
import type { OperationState } from "../operation/model.ts";
import { releaseText } from "../status/ladder.ts";
import type { ApplianceStatus } from "../status/model.ts";
import type { BannerFacts, BannerShape, BannerStatus } from "./banner.ts";
import { bootstrapOfBoot } from "./bootstrap.ts";
import { claimNews } from "./console-news.ts";
import { consoleLogin } from "./credential-show.ts";
import { isControlPlane } from "./host-checks.ts";
import { isClaimed, readSetupToken } from "./setup-token.ts";

type ConsoleDeps = Pick<Deps, "files" | "clock" | "machine" | "network" | "transports" | "log">;

export interface ConsoleOptions {
  readonly paths: StatePaths;
  readonly name: string;
  readonly version: string;
  readonly port: number;
  /** Port of the page over TLS; undefined: it has none. */
  readonly securePort?: number | undefined;
  /** The reader stands before the box. */
  readonly showToken: boolean;
  /** It is the screen of the box itself: the first login may be shown. */
  readonly showLogin?: boolean;
  readonly signal: AbortSignal;
}

/** Gathers the facts, without a status. Reads only, and quick: it is called every other second. */
export async function gatherBannerFacts(deps: ConsoleDeps, options: ConsoleOptions): Promise<BannerFacts> {
  const { paths, name, version, port, signal } = options;
  const claimed = await isClaimed(deps, paths);
  const wantsToken = options.showToken && !claimed;
  const [addresses, bootstrap, answers, token, login, certificate, claims] = await Promise.all([
    deps.network.addresses(),
    bootstrapOfBoot(deps, paths),
    isControlPlane(deps, { port, signal }),
    wantsToken ? readSetupToken(deps.files, paths.setupToken) : undefined,
    options.showLogin === true ? consoleLogin(deps, paths) : null,
    options.securePort === undefined ? undefined : readBoxCertificate(deps.files, paths).catch(nothing),
    claimNews(deps, paths),
  ]);
  return {
    ...{ name, version, addresses, port, answers, claimed },
    bootstrap: bootstrap ?? null,
    token: token?.reveal() ?? null,
    login,
    secure:
      options.securePort === undefined || certificate === undefined
        ? null
        : { port: options.securePort, short: certificate.short },
    news: claims,
    status: null,
  };
}

/** Milliseconds between questions to the host agent, and in which it must answer. */
const AGENT_MS = { pause: 20_000, answer: 2_000 } as const;

/**
 * Looks after the host agent, which says nothing of itself when it cannot run. Asks now and then; what it last knew counts between.
 *
 * @returns whether it answers; true until it was silent twice, because a start takes its time.
 */
export function watchAgent(
  deps: Pick<Deps, "transports" | "clock">,
  paths: StatePaths,
): (signal: AbortSignal) => Promise<boolean> {
  const fetch = deps.transports.open({
    ...{ socketPath: paths.hostAgentSocket, connectTimeoutMs: AGENT_MS.answer, idleTimeoutMs: AGENT_MS.answer },
  });
  let silent = 0;
  let askedMs = Number.NEGATIVE_INFINITY;
  return async (signal) => {
    const nowMs = deps.clock.monotonic();
    if (nowMs - askedMs >= AGENT_MS.pause) {
      askedMs = nowMs;
      silent = (await answersHealth(fetch, signal)) ? 0 : silent + 1;
    }
    return silent < 2;
  };
}

async function answersHealth(fetch: Fetch, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await fetch(new Request("http://host-agent/v1/health", { signal }));
    await answer.body?.cancel();
    return answer.status === 200;
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return false;
  }
}

/** The same facts with the document as it is now and lines about updates: nothing is looked at a second time. Pure. */
export function withStatus(facts: BannerFacts, status: ApplianceStatus, updates: readonly string[]): BannerFacts {
  return { ...facts, news: [...updates, ...(facts.news ?? [])], status: sentenceOf(status) };
}

/** What is under way but does not go on by itself. */
const STANDS: Partial<Record<OperationState, string>> = {
  paused: "Paused at ",
  waiting: "Waits at ",
  blocked: "Stopped at ",
};

/** A file that this user may not read is nothing to show. */
function nothing(thrown: unknown): undefined {
  if (!isApplianceError(thrown)) throw thrown;
}

function sentenceOf(status: ApplianceStatus): BannerStatus {
  const { summary, operation } = status;
  const steps = operation?.steps ?? [];
  const at = steps.findIndex(({ id }) => id === operation?.step);
  const step = at < 0 ? null : `${at + 1} of ${steps.length}: ${steps[at]?.title ?? ""}`;
  const doing = step === null || operation === null ? null : `${STANDS[operation.state] ?? ""}${step}`;
  return { message: summary.message, next: summary.next, doing, release: releaseText(status) };
}

const MAX_FACT_BYTES = 64;

/** Whether the kernel's consoles read UTF-8; serial ones and old kernels tell nothing, and get ASCII. */
export async function consoleCharset(deps: Pick<Deps, "files">): Promise<BannerShape["charset"]> {
  const path = "/sys/module/vt/parameters/default_utf8";
  const bytes = await deps.files.read(path, { maxBytes: MAX_FACT_BYTES }).catch(() => undefined);
  const text = bytes === undefined ? "" : new TextDecoder().decode(bytes).trim();
  return text === "1" || text === "Y" ? "utf8" : "ascii";
}
