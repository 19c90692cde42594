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
  /** The newest bootstrap; null before the first. */
  readonly bootstrap: OperationView | null;
  /** The control plane answers. */
  readonly answers: boolean;
  readonly claimed: boolean;
  /** Plain setup token. Only with it is it shown. */
  readonly token: string | null;
  /** The first login, for the screen of the box alone; absent or null: none is to be shown. */
  readonly login?: ConsoleLogin | null;
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
}

/** A VGA console. */
export const VGA: BannerShape = { columns: 80, rows: 25, charset: "utf8" };

/** Columns that the text beside a code needs at least. */
const MIN_TEXT = 34;

/** Draws the banner. Never more lines than there are, never wider than the console. */
export function bannerLines(facts: BannerFacts, shape: BannerShape = VGA): readonly string[] {
  const code = codeOf(facts, shape);
  const width = code.length === 0 ? shape.columns - 2 : shape.columns - 3 - (code[0]?.length ?? 0);
  const text = paragraphs(facts).flatMap((paragraph) => [...wrapLine(plainLine(paragraph, shape.charset), width), ""]);
  const height = Math.max(text.length, code.length);
  const lines = Array.from({ length: height }, (_one, row) =>
    ` ${code.length === 0 ? (text[row] ?? "") : (text[row] ?? "").padEnd(width + 1) + (code[row] ?? "")}`.trimEnd(),
  );
  const bound = shape.rows === 0 ? lines.length : shape.rows - 1;
  return lines.slice(0, bound);
}

/** The code of the setup address, where it fits beside the text. A phone cannot use it before the page answers. */
function codeOf(facts: BannerFacts, shape: BannerShape): readonly string[] {
  const [address] = facts.addresses;
  if (facts.token === null || facts.claimed || !facts.answers || address === undefined) return [];
  const lines = qrLines(`${urlOf(address, facts.port)}/setup?token=${facts.token}`, shape.charset);
  const fits = (shape.rows === 0 || lines.length < shape.rows) && (lines[0]?.length ?? 0) + MIN_TEXT <= shape.columns;
  return fits ? lines : [];
}

function paragraphs(facts: BannerFacts): readonly string[] {
  const title = `${facts.name} - Alga Appliance ${facts.version}`;
  const parts = facts.answers ? serving(facts) : starting(facts);
  return [title, ...parts, loginText(facts.login ?? null)].filter((part) => part !== "");
}

/** Groups are easier to type; the blanks are no part of it. */
function loginText(login: ConsoleLogin | null): string {
  if (login === null) return "Log in on this machine: Alt+F2";
  const groups = login.password.replaceAll(/.{4}(?=.)/g, "$& ");
  return `Log in on this machine: Alt+F2, as ${login.user} with ${groups} (typed without blanks). Then choose your own password: this one is not shown again.`;
}

/** Before the page answers: how far the start is, or what stopped it. */
function starting({ bootstrap }: BannerFacts): readonly string[] {
  if (bootstrap === null) return ["The box starts."];
  const { steps, problem, state } = bootstrap;
  const at = steps.findIndex(({ id }) => id === bootstrap.step);
  const step = steps[at];
  const done = steps.filter((one) => one.state === "done" || one.state === "skipped").length;
  if (problem !== null) {
    const word = state === "blocked" ? "The box cannot start" : "The start waits";
    const place = step === undefined ? "" : ` at step ${at + 1} of ${steps.length}, ${step.title}`;
    return [`${word}${place}.`, problem.message, problem.hint ?? "", "systemctl status alga-appliance-bootstrap"];
  }
  if (step === undefined) return ["The control plane does not answer yet."];
  const detail = step.detail === null ? "" : `: ${step.detail}`;
  return [`Starting, ${done} of ${steps.length} steps done.`, `${step.title}${detail}`];
}

function serving(facts: BannerFacts): readonly string[] {
  const urls = facts.addresses.map((address) => urlOf(address, facts.port));
  const where = urls.length === 0 ? ["This box has no address: plug in the network."] : urls;
  if (!facts.claimed) {
    const token =
      facts.token === null ? "The setup token is on the console of the box." : `Setup token: ${facts.token}`;
    return ["Set up this appliance in a browser:", ...where, token, facts.status?.release ?? ""];
  }
  if (facts.status === null) return ["Its page:", ...where];
  const { message, next, doing, release } = facts.status;
  return [message, doing ?? "", next ?? "", ...where, release ?? ""];
}

function urlOf(address: string, port: number): string {
  return `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
}
