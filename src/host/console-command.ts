/** `console banner` and `console watch`: the screen of the box, once or until it is stopped. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { parsePort, tlsPort } from "../cli/listen-flags.ts";
import type { Settings } from "../cli/settings.ts";
import { ApplianceError, EXIT, type ExitCode, isApplianceError } from "../core/errors.ts";
import { type StatePaths, statePaths } from "../core/paths.ts";
import type { TextScreen } from "../core/ports.ts";
import { openLocalSources } from "../status/local-sources.ts";
import type { ApplianceStatus } from "../status/model.ts";
import { createStatusEngine, type StatusEngine } from "../status/observer.ts";
import { type BannerFacts, type BannerShape, bannerLines, troubleLines, VGA } from "./banner.ts";
import { consoleCharset, gatherBannerFacts, watchAgent, withStatus } from "./console-facts.ts";
import { openBanner, writeBannerFiles } from "./console-files.ts";
import { createUpdateNews } from "./console-news.ts";
import { createScreenWatch } from "./console-screen.ts";
import { markLoginShown } from "./credential-show.ts";
import { networkCommands } from "./netplan-command.ts";

/** Milliseconds between looks: a start is watched by people, a box that runs stands alone for years. */
const LOOK_MS = { starting: 500, running: 2_000 } as const;
/** Milliseconds after which the same frame is drawn again: the kernel and others write over consoles that cannot be read. */
const REDRAW_MS = 60_000;
/** Smaller consoles are drawn on as if they had these. */
const MIN_SIZE = { columns: 40, rows: 5 } as const;
/** To the upper left corner, and clear from there on. */
const CLEAR = "\u001b[H\u001b[J";

const FLAGS: readonly Flag[] = [
  { name: "token", type: "boolean", summary: "Show the setup token too: for the screen at the box alone" },
  { name: "write", type: "boolean", summary: "Write it for login prompts too, to /run/issue.d and /run/motd.d" },
  {
    name: "charset",
    type: "string",
    value: "<name>",
    choices: ["auto", "utf8", "ascii"],
    fallback: "auto",
    summary: "What the console can show",
  },
  { name: "rows", type: "string", value: "<number>", fallback: String(VGA.rows), summary: "Lines of the console" },
];

/** No flag of `banner`: what is printed anywhere never holds it. */
const LOGIN: Flag = {
  name: "login",
  type: "boolean",
  summary: "Show the first login too: for the unit on the first screen alone",
};

/** No flag of `banner` either: it draws once. */
const SCREEN: Flag = {
  name: "screen",
  type: "string",
  value: "<number>",
  summary: "Number of the text console that it draws on: in its size, and again when anything else wrote there",
};

export const commands: readonly Command[] = [
  {
    path: ["console", "banner"],
    bearsBadSettings: true,
    summary: "Print what a person in front of the box needs now",
    description:
      "Addresses and the setup token of a box that nobody has claimed, with a code that a phone reads; how far the start or the " +
      "installation is; afterwards the one sentence of the status.",
    flags: FLAGS,
    examples: [
      { command: "alga-appliance console banner", about: "Without the token" },
      { command: "alga-appliance console banner --token --charset ascii", about: "At the box, as root" },
    ],
    run: banner,
  },
  {
    path: ["console", "watch"],
    bearsBadSettings: true,
    summary: "Draw the banner again whenever something changes, until stopped",
    description: "What the unit alga-appliance-console runs on the first screen of the box.",
    flags: [...FLAGS, LOGIN, SCREEN],
    examples: [{ command: "alga-appliance console watch --token", about: "On the terminal where it is typed" }],
    run: watch,
  },
  ...networkCommands,
];

/**
 * Says how the box is reached, as the last word of a start: without the token, because it goes to the journal, and without the status,
 * which takes its time.
 */
export async function tellHandover({ deps, settings, build, signal, out }: CommandContext): Promise<void> {
  try {
    const facts = await gatherBannerFacts(deps, {
      paths: statePaths(settings.get("root") ?? "/"),
      name: settings.get("name") ?? (await deps.machine.hostName()),
      version: build.version,
      ...portsOf(settings),
      showToken: false,
      signal,
    });
    out.result(withoutToken(facts), () => openBanner(facts, VGA.columns).join("\n"));
  } catch (error) {
    if (!isApplianceError(error)) throw error;
    deps.log.warn("how the box is reached is not told", { error });
  }
}

async function banner(context: CommandContext): Promise<ExitCode> {
  const look = await openLook(context);
  try {
    const { facts, lines } = await look.now();
    context.out.result(withoutToken(facts), () => lines.join("\n"));
    return EXIT.done;
  } finally {
    look.stop();
  }
}

async function watch(context: CommandContext): Promise<ExitCode> {
  const { clock } = context.deps;
  const look = await openLook(context, { login: context.flags.login === true, number: screenNumber(context.flags) });
  let drawn: readonly string[] = [];
  let drawnMs = 0;
  try {
    while (!context.signal.aborted) {
      const { facts, lines, isTouched } = await look.now(drawn).catch((thrown: unknown) => look.trouble(thrown));
      const frame = lines.join("\n");
      if (frame !== drawn.join("\n") || isTouched || clock.monotonic() - drawnMs >= REDRAW_MS) {
        context.out.event(withoutToken(facts), () => `${CLEAR}${frame}`);
        [drawn, drawnMs] = [lines, clock.monotonic()];
        if (facts?.login) await markLoginShown(context.deps, look.paths);
      }
      await clock.sleep(pauseAfter(facts), context.signal);
    }
  } catch (thrown) {
    if (!context.signal.aborted) throw thrown;
  } finally {
    look.stop();
  }
  return EXIT.done;
}

function pauseAfter(facts: BannerFacts | undefined): number {
  return facts?.answers === true ? LOOK_MS.running : LOOK_MS.starting;
}

/** @throws {ApplianceError} cli/usage for anything but a console of Linux. @see console(4) */
function screenNumber({ screen }: CommandContext["flags"]): number | undefined {
  if (screen === undefined) return undefined;
  const number = typeof screen === "string" && /^\d{1,2}$/.test(screen) ? Number(screen) : 0;
  if (number >= 1 && number <= 63) return number;
  throw new ApplianceError("cli/usage", `Cannot draw on screen "${String(screen)}": a number from 1 to 63 is wanted`);
}

/** Output that a script keeps has no secret, whatever was asked for. */
function withoutToken(facts: BannerFacts | undefined): object {
  const { token: _token, login: _login, ...shown } = facts ?? {};
  return shown;
}

interface Look {
  readonly paths: StatePaths;
  /** @param drawn What stands on the screen; `isTouched`: it does so no more. */
  now(
    drawn?: readonly string[],
  ): Promise<{ readonly facts: BannerFacts; readonly lines: readonly string[]; readonly isTouched: boolean }>;
  /** The frame of a look that failed; what is no fault of the box is thrown on. */
  trouble(
    thrown: unknown,
  ): Promise<{ readonly facts?: never; readonly lines: readonly string[]; readonly isTouched: false }>;
  stop(): void;
}

/** Looks with what is kept between two looks: the fold of the status, from when there is one to fold. */
async function openLook(
  context: CommandContext,
  screen?: { readonly login: boolean; readonly number: number | undefined },
): Promise<Look> {
  const { deps, settings, flags, signal } = context;
  const root = settings.get("root") ?? "/";
  const screenNow = createScreenWatch(async () =>
    screen?.number === undefined ? undefined : deps.machine.screen(screen.number),
  );
  const given = {
    paths: statePaths(root),
    name: settings.get("name") ?? (await deps.machine.hostName()),
    version: context.build.version,
    ...portsOf(settings),
    showToken: flags.token === true,
    showLogin: screen?.login === true,
    signal,
  };
  const agent = watchAgent(deps, given.paths);
  let engine: StatusEngine | undefined;
  const updates = createUpdateNews(deps, given.paths);
  const statusNow = async (): Promise<ApplianceStatus> => {
    if (engine !== undefined) return engine.current();
    engine = createStatusEngine(deps, await openLocalSources(context));
    return engine.observe(signal);
  };
  return {
    paths: given.paths,
    now: async (drawn = []) => {
      const seen = {
        ...(await gatherBannerFacts(deps, given)),
        ...(screen === undefined ? {} : { agent: await agent(signal) }),
      };
      const status = seen.answers && seen.claimed ? await statusNow() : undefined;
      const facts = status === undefined ? seen : withStatus(seen, status, await updates.now(status));
      if (flags.write === true) await writeBannerFiles(deps, facts, { root, columns: VGA.columns });
      const { size, isTouched } = await screenNow(drawn);
      const shape = { ...(await shapeOf(context)), ...(size === undefined ? {} : sizeOf(size)) };
      // What is printed may be read by anything; the screen is a terminal.
      return { facts, lines: bannerLines(facts, { ...shape, reverses: screen !== undefined }), isTouched };
    },
    trouble: async (thrown) => {
      if (signal.aborted || !isApplianceError(thrown)) throw thrown;
      deps.log.warn("the box cannot be looked at", { error: thrown });
      return { lines: troubleLines(given, thrown, await shapeOf(context)), isTouched: false };
    },
    stop: () => engine?.stop(),
  };
}

function portsOf(settings: Settings): { readonly port: number; readonly securePort: number | undefined } {
  const port = parsePort(settings.get("listen.port") ?? "8080");
  return { port, securePort: tlsPort(settings.get("listen.tlsPort"), port) };
}

function sizeOf({ rows, columns }: Pick<TextScreen, "rows" | "columns">): Pick<BannerShape, "rows" | "columns"> {
  return { columns: Math.max(MIN_SIZE.columns, columns), rows: Math.max(MIN_SIZE.rows, rows) };
}

async function shapeOf({ deps, flags, out }: CommandContext): Promise<BannerShape> {
  const { charset } = flags;
  const rows = typeof flags.rows === "string" && /^\d{1,3}$/.test(flags.rows) ? Number(flags.rows) : VGA.rows;
  const known = charset === "utf8" || charset === "ascii" ? charset : await consoleCharset(deps);
  return { ...sizeOf({ columns: out.columns, rows }), charset: known };
}
