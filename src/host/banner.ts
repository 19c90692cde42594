/**
 * The banner of a box as lines of text: what a person in front of it needs now. Pure.
 *
 * It shows text of others (a registry's message, a unit's last words), so every control character is taken out: this is root's own
 * console. The token is shown only where the caller says that the reader stands before the box.
 */
import { type Charset, plainLine, wrapLine } from "../cli/screen-text.ts";
import type { OperationView } from "../operation/model.ts";
import type { ConsoleLogin } from "./credential-show.ts";
import { qrLines } from "./qr.ts";

/** What is known of the box now. */
export interface BannerFacts {
  readonly name: string;
  readonly version: string;
  /** That others can reach, IPv4 first. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** The page over TLS: its port, and how the fingerprint of its certificate begins ("AA:BB:..."). Null: there is none. */
  readonly secure?: { readonly port: number; readonly short: string } | null;
  /** The newest run of the host: a bootstrap, a recover or a reset; null before the first. */
  readonly bootstrap: OperationView | null;
  /** The host agent answers; absent: nobody looked. */
  readonly agent?: boolean;
  /** The control plane answers. */
  readonly answers: boolean;
  readonly claimed: boolean;
  /** Plain setup token. Only with it is it shown. */
  readonly token: string | null;
  /** The first login, for the screen of the box alone; absent or null: none is to be shown. */
  readonly login?: ConsoleLogin | null;
  /** Of claims and updates, a line each; absent: nothing. */
  readonly news?: readonly string[];
  /** The status document's own sentence, and what is done now: "7 of 12: Install Flux". */
  readonly status: BannerStatus | null;
}

/** What the status document says, in lines. */
export interface BannerStatus {
  readonly message: string;
  readonly next: string | null;
  readonly doing: string | null;
  /** "Release 1.0.3 (stable), unverified"; absent or empty: nothing to say of a release. */
  readonly release?: string;
}

/** The console that it is drawn on. */
export interface BannerShape {
  readonly columns: number;
  /** Lines; 0 for a file, which has no end. */
  readonly rows: number;
  readonly charset: Charset;
  /** A terminal that obeys ECMA-48: in ASCII the code is drawn of reversed blanks, which have no gaps as signs have. */
  readonly reverses?: boolean;
}

/** A VGA console. */
export const VGA: BannerShape = { columns: 80, rows: 25, charset: "utf8" };

/** Columns that the text beside a code needs at least. */
const MIN_TEXT = 34;

/** Draws the banner. Never more lines than there are, never wider than the console. */
export function bannerLines(facts: BannerFacts, shape: BannerShape = VGA): readonly string[] {
  const code = codeOf(facts, shape);
  const codeWidth = code[0]?.length ?? 0;
  const width = codeWidth === 0 ? shape.columns - 2 : shape.columns - 3 - codeWidth;
  const bound = shape.rows === 0 ? Number.POSITIVE_INFINITY : shape.rows - 1;
  const text = textThatFits(facts, { width, charset: shape.charset, bound });
  const height = Math.max(text.length, code.length);
  return Array.from({ length: height }, (_one, row) => {
    const beside = drawn(code[row] ?? "", shape);
    return ` ${beside === "" ? (text[row] ?? "") : (text[row] ?? "").padEnd(width + 1) + beside}`.trimEnd();
  }).slice(0, bound);
}

/** The screen of a box of which nothing can be learned now: why, and how to log in. */
export function troubleLines(
  box: Pick<BannerFacts, "name" | "version">,
  problem: { readonly message: string; readonly hint?: string | undefined },
  shape: BannerShape = VGA,
): readonly string[] {
  const why = `This screen cannot tell how the box is: ${problem.message}`;
  const all = [[titleOf(box)], [why], [problem.hint ?? ""], [loginText(null)]].map((block) => block.filter(Boolean));
  const bound = shape.rows === 0 ? Number.POSITIVE_INFINITY : shape.rows - 1;
  const room = { width: shape.columns - 2, charset: shape.charset, bound };
  const text = textLines(
    all.filter((block) => block.length > 0),
    room,
  );
  return text.map((line) => ` ${line}`.trimEnd()).slice(0, bound);
}

function titleOf({ name, version }: Pick<BannerFacts, "name" | "version">): string {
  return `${name} - Alga Appliance ${version}`;
}

interface Room {
  readonly width: number;
  readonly charset: Charset;
  readonly bound: number;
}

/** All addresses where there is room for them; else as many as leave room for the rest. */
function textThatFits(facts: BannerFacts, room: Room): readonly string[] {
  for (let most = facts.addresses.length; most > 1; most -= 1) {
    const text = textLines(blocks(facts, most), room);
    if (text.length <= room.bound) return text;
  }
  return textLines(blocks(facts, 1), room);
}

/** Lines of the blocks with an empty one after each, or without where they would not fit. */
function textLines(all: readonly (readonly string[])[], { width, charset, bound }: Room): readonly string[] {
  const wrapped = all.map((block) => block.flatMap((line) => wrapLine(plainLine(line, charset), width)));
  const airy = wrapped.flatMap((block) => [...block, ""]);
  return airy.length <= bound ? airy : wrapped.flat();
}

/** Runs of lit signs as reversed blanks. @see ECMA-48 section 8.3.117 */
function drawn(code: string, { charset, reverses }: BannerShape): string {
  if (charset !== "ascii" || reverses !== true) return code;
  return code.replaceAll(/#+/g, (run) => `\u001b[7m${" ".repeat(run.length)}\u001b[27m`);
}

/**
 * The code of the setup address, where it fits beside the text: with the token, and over TLS with what the certificate begins with.
 * Where only a small one fits it leads to the page alone. A phone cannot use it before the page answers.
 */
function codeOf(facts: BannerFacts, shape: BannerShape): readonly string[] {
  const [address] = facts.addresses;
  if (facts.token === null || facts.claimed || !facts.answers || address === undefined) return [];
  const small = urlOf(facts, address).toUpperCase();
  for (const [link, quiet] of [
    [linkOf(facts, address, facts.token), 2],
    [small, 1],
  ] as const) {
    const lines = qrLines(link, { charset: shape.charset, quiet });
    const fits = (shape.rows === 0 || lines.length < shape.rows) && (lines[0]?.length ?? 0) + MIN_TEXT <= shape.columns;
    if (fits) return lines;
  }
  return [];
}

/** The fragment never leaves the phone; the page compares it with the certificate that it came by. */
function linkOf(facts: BannerFacts, address: string, token: string): string {
  const url = urlOf(facts, address);
  const { secure } = facts;
  if (secure === undefined || secure === null) return `${url}/setup?token=${token}`;
  return `${url}/setup?token=${token.replaceAll("-", "")}#sha256=${secure.short.replaceAll(":", "")}`;
}

function blocks(facts: BannerFacts, most: number): readonly (readonly string[])[] {
  const parts = facts.answers ? serving(facts, most) : starting(facts);
  const beside = facts.answers ? [incomplete(facts), facts.news ?? []] : [];
  const all = [[titleOf(facts)], ...parts, ...beside, [loginText(facts.login ?? null)]];
  return all.map((block) => block.filter((line) => line !== "")).filter((block) => block.length > 0);
}

/** What a run of the host is called, and what a person types about it. */
const RUNS = {
  bootstrap: {
    goes: "Starting",
    waits: "The start waits",
    stands: "The box cannot start",
    left: "The last start of the box is not complete",
    command: "systemctl status alga-appliance-bootstrap",
  },
  recover: {
    goes: "Recovering",
    waits: "The recovery waits",
    stands: "The recovery is stopped",
    left: "The recovery of the box is not complete",
    command: "alga-appliance recover",
  },
  reset: {
    goes: "The appliance is being removed",
    waits: "The reset waits",
    stands: "The reset is stopped",
    left: "The reset of the box is not complete",
    command: "alga-appliance reset",
  },
} as const;

function wordsOf({ kind }: OperationView): (typeof RUNS)[keyof typeof RUNS] {
  return kind === "recover" || kind === "reset" ? RUNS[kind] : RUNS.bootstrap;
}

/** The page answers, from an earlier start or in part, and a run of the host has failed all the same, or goes on: not in silence. */
function incomplete({ bootstrap, agent }: BannerFacts): readonly string[] {
  const silent = agent === false ? ["The host agent does not run: systemctl status alga-host-agent"] : [];
  if (bootstrap === null) return silent;
  const { state, problem, kind } = bootstrap;
  const words = wordsOf(bootstrap);
  if (state === "blocked" && problem !== null)
    return [`${words.left}: ${problem.message}`, problem.hint ?? "", ...silent];
  const goesOn = kind !== "bootstrap" && (state === "running" || state === "waiting");
  return goesOn ? [...progressOf(bootstrap), ...silent] : silent;
}

/** How far a run is: its steps, and the one that it is at. */
function progressOf(run: OperationView): readonly string[] {
  const done = run.steps.filter((one) => one.state === "done" || one.state === "skipped").length;
  const step = run.steps.find(({ id }) => id === run.step);
  const detail = step === undefined || step.detail === null ? "" : `: ${step.detail}`;
  return [`${wordsOf(run).goes}, ${done} of ${run.steps.length} steps done.`, `${step?.title ?? ""}${detail}`];
}

/** Groups are easier to type; the blanks are no part of it. */
function loginText(login: ConsoleLogin | null): string {
  if (login === null) return "Log in on this machine: Alt+F2";
  const groups = login.password.replaceAll(/.{4}(?=.)/g, "$& ");
  return `Log in on this machine: Alt+F2, as ${login.user} with ${groups} (typed without blanks). Then choose your own password: this one is not shown again.`;
}

/** Before the page answers: how far the start is, or what stopped it. */
function starting({ bootstrap }: BannerFacts): readonly (readonly string[])[] {
  if (bootstrap === null) return [["The box starts."]];
  const { steps, problem, state } = bootstrap;
  const at = steps.findIndex(({ id }) => id === bootstrap.step);
  const step = steps[at];
  if (problem !== null) {
    const { stands, waits, command } = wordsOf(bootstrap);
    const place = step === undefined ? "" : ` at step ${at + 1} of ${steps.length}, ${step.title}`;
    return [[`${state === "blocked" ? stands : waits}${place}.`], [problem.message], [problem.hint ?? ""], [command]];
  }
  if (step === undefined) return [["The control plane does not answer yet."]];
  return progressOf(bootstrap).map((line) => [line]);
}

function serving(facts: BannerFacts, most: number): readonly (readonly string[])[] {
  const where = addressLines(facts, most);
  if (!facts.claimed) {
    const token =
      facts.token === null ? "The setup token is on the console of the box." : `Setup token: ${facts.token}`;
    const head = facts.addresses.length === 0 ? [] : ["Set up this appliance in a browser:"];
    const other = facts.addresses.length === 0 ? WITHOUT_NETWORK : [];
    return [[...head, ...where], other, [token], [facts.status?.release ?? ""]];
  }
  if (facts.status === null) return [["Its page:", ...where]];
  const { message, next, doing, release } = facts.status;
  return [[message, doing ?? ""], [next ?? ""], where, [release ?? ""]];
}

/** What a person in front of the box can do all the same. */
const NO_ADDRESS = [
  "This box has no address: plug in the network, or log in and give it one:",
  "alga-appliance console network set --help",
] as const;
const WITHOUT_NETWORK = ["Or set it up there without a browser:", "alga-appliance console setup"] as const;

/** How to reach the page: over TLS with what proves it, and the plain one where it is the only one or the first step to it. */
function addressLines(facts: BannerFacts, most: number): readonly string[] {
  const { addresses, secure } = facts;
  const [first] = addresses;
  if (first === undefined) return NO_ADDRESS;
  const left = addresses.length - Math.max(1, most);
  const more = left > 0 ? [`and ${left} more ${left === 1 ? "address" : "addresses"}`] : [];
  const urls = [...addresses.slice(0, Math.max(1, most)).map((address) => urlOf(facts, address)), ...more];
  if (secure === undefined || secure === null) return urls;
  const plain = `Without TLS: ${urlOf({ ...facts, secure: null }, first)}`;
  return [...urls, `Certificate: SHA-256 begins with ${secure.short}`, plain];
}

function urlOf({ port, secure }: Pick<BannerFacts, "port" | "secure">, address: string): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return secure === undefined || secure === null ? `http://${host}:${port}` : `https://${host}:${secure.port}`;
}
