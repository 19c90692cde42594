/**
 * `status`: the document once, again at every change, or awaited until a tier is ready.
 *
 * It asks a running control plane with `--url`, and folds by itself from a kubeconfig otherwise, with the same fold; it
 * works, and says so, when no cluster answers.
 */
import type { Command, CommandContext } from "../cli/command.ts";
import { abortReason, deadline } from "../core/deadline.ts";
import { parseDuration } from "../core/duration.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { guideLines, guidePage } from "./guide.ts";
import { TIER_NAMES, writeLadder } from "./ladder.ts";
import { openLocalSources } from "./local-sources.ts";
import { type ApplianceStatus, TIERS, type TierName, tierNameSchema } from "./model.ts";
import { createStatusEngine } from "./observer.ts";
import { createRemoteStatus } from "./remote-status.ts";

const DEFAULT_TIMEOUT = "10m";
/** How often a control plane is asked; by its own engine nothing changes faster than people read. */
const REMOTE_EVERY_MS = 1_000;
const MAX_PASSWORD_BYTES = 1_024;

export const commands: readonly Command[] = [
  {
    path: ["status"],
    summary: "Show how the appliance is, or wait until a tier is ready",
    description:
      "Prints one sentence, the ladder from platform to background work, each failure with its cause and next step, and the components. " +
      "Exit code 0: the tier asked for is ready, without --for: people can log in; 3: it is not.",
    flags: [
      { name: "kubeconfig", type: "string", value: "<file>", summary: "Kubeconfig of the cluster to look at" },
      { name: "url", type: "string", value: "<address>", summary: "Ask this control plane instead of the cluster" },
      {
        name: "password-stdin",
        type: "boolean",
        summary: "Read the management password for --url from standard input",
      },
      { name: "watch", type: "boolean", summary: "Print again at every change, until stopped" },
      { name: "for", type: "string", value: "<tier>", choices: TIERS, summary: "Wait until this tier is ready" },
      {
        name: "timeout",
        type: "string",
        value: "<duration>",
        fallback: DEFAULT_TIMEOUT,
        summary: "Give up waiting for the tier after this time",
      },
      {
        name: "explain",
        type: "string",
        value: "<code>",
        summary: "Print the operator guide's page of a check code, and look at nothing",
      },
    ],
    examples: [
      { command: "alga-appliance status", about: "How is it" },
      { command: "alga-appliance status --for login --timeout 30m", about: "Wait until people can log in" },
      { command: "alga-appliance status --explain flux/source-not-ready", about: "What a check code means" },
      { command: "alga-appliance status --kubeconfig k3s.yaml -o json", about: "From elsewhere, for scripts" },
    ],
    run: runStatus,
  },
];

/** Where documents come from: one now, and one after each change. */
interface Source {
  read(signal: AbortSignal): Promise<ApplianceStatus>;
  /** Resolves with the next document that says something else than this one. */
  next(known: ApplianceStatus, signal: AbortSignal): Promise<ApplianceStatus>;
  stop(): void;
}

async function runStatus(context: CommandContext): Promise<ExitCode> {
  if (typeof context.flags.explain === "string") return explain(context, context.flags.explain);
  const source = await openSource(context);
  try {
    const tier = tierNameSchema.safeParse(context.flags.for);
    if (tier.success) return await waitFor(context, source, tier.data);
    if (context.flags.watch === true) return await watch(context, source);
    const status = await source.read(context.signal);
    print(context, status);
    return status.tiers.login.state === "ready" ? EXIT.done : EXIT.notReady;
  } finally {
    source.stop();
  }
}

/** Prints one page of the guide. It needs no cluster, no network and no state: the text is in the executable. */
function explain({ out }: CommandContext, code: string): ExitCode {
  const page = guidePage(code);
  if (page === undefined) {
    throw new ApplianceError(
      "cli/usage",
      `Cannot explain "${code}": a check code like flux/source-not-ready is wanted`,
      {
        hint: "Codes stand in brackets after each failure: alga-appliance status",
      },
    );
  }
  const lines = guideLines(page).map(({ name, text: said }) => `${name}\n  ${said}\n`);
  out.result(page, () => `${page.code}\n\n${lines.join("\n")}`);
  return EXIT.done;
}

/** Waits for a tier. When the time is over, what was seen last is printed and the exit code says that it was not ready. */
async function waitFor(context: CommandContext, source: Source, tier: TierName): Promise<ExitCode> {
  const timeout = typeof context.flags.timeout === "string" ? context.flags.timeout : DEFAULT_TIMEOUT;
  const limit = deadline(context.deps.clock, parseDuration(timeout), {
    what: `the tier ${tier}`,
    parent: context.signal,
  });
  let last: ApplianceStatus | undefined;
  try {
    for (;;) {
      last = last === undefined ? await source.read(limit.signal) : await source.next(last, limit.signal);
      if (last.tiers[tier].state === "ready") break;
      context.out.progress(`${TIER_NAMES[tier]}: ${last.tiers[tier].reason}`);
    }
    print(context, last);
    return EXIT.done;
  } catch (thrown) {
    if (context.signal.aborted || !limit.signal.aborted || last === undefined) throw thrown;
    print(context, last);
    context.out.notice(`${TIER_NAMES[tier]} was not ready within ${timeout}: ${last.tiers[tier].reason}`);
    return EXIT.notReady;
  } finally {
    limit.cancel();
  }
}

/** Prints each document until it is stopped. */
async function watch(context: CommandContext, source: Source): Promise<ExitCode> {
  let status = await source.read(context.signal);
  while (!context.signal.aborted) {
    const shown = status;
    context.out.event(shown, () => `${text(context, shown)}\n`);
    try {
      status = await source.next(shown, context.signal);
    } catch (thrown) {
      if (context.signal.aborted) return EXIT.done;
      throw thrown;
    }
  }
  return EXIT.done;
}

function print(context: CommandContext, status: ApplianceStatus): void {
  context.out.result(status, () => text(context, status));
}

function text({ out }: CommandContext, status: ApplianceStatus): string {
  return writeLadder(status, { color: out.color, columns: out.columns });
}

async function openSource(context: CommandContext): Promise<Source> {
  const { url } = context.flags;
  return typeof url === "string" ? openRemote(context, url) : openLocal(context);
}

async function openLocal(context: CommandContext): Promise<Source> {
  const engine = createStatusEngine(context.deps, await openLocalSources(context, { looksOnce: true }));
  return {
    read: (signal) => engine.observe(signal),
    next: (known, signal) =>
      new Promise((resolve, reject) => {
        const now = engine.current();
        if (now.generation > known.generation) return resolve(now);
        const stop = engine.subscribe((status) => {
          stop();
          resolve(status);
        });
        signal.addEventListener("abort", () => reject(abortReason(signal)), { once: true });
      }),
    stop: engine.stop,
  };
}

async function openRemote(context: CommandContext, address: string): Promise<Source> {
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) {
    throw new ApplianceError(
      "cli/usage",
      `Cannot use --url "${address}": an address like http://192.0.2.10:8080 is wanted`,
    );
  }
  const { clock, transports } = context.deps;
  const given = context.flags["password-stdin"] === true ? await context.readStdin(MAX_PASSWORD_BYTES) : undefined;
  const password =
    given === undefined
      ? {}
      : {
          password: new Secret(
            Buffer.from(given)
              .toString("utf8")
              .replace(/\r?\n$/, ""),
          ),
        };
  const remote = createRemoteStatus(transports.open(), { url: address, ...password });
  return {
    read: (signal) => remote.read(signal),
    next: async (known, signal) => {
      for (;;) {
        await clock.sleep(REMOTE_EVERY_MS, signal);
        const status = await remote.read(signal);
        // A restarted control plane counts from one again.
        if (status.generation !== known.generation) return status;
      }
    },
    stop: () => {},
  };
}
