/**
 * `.helmignore`: which files of a chart folder `helm package` leaves out.
 *
 * The rules are Helm's own and not those of git: the first rule that matches decides, `**` is refused, a rule with a slash is
 * matched against the whole path, `*` never crosses a slash, and `!` keeps what matches and leaves out everything else.
 *
 * @see Helm v4.3, package pkg/ignore, "Helm ignore rules"; Go, path/filepath, "Match"
 */
import { ApplianceError } from "../core/errors.ts";

interface Rule {
  readonly isNegated: boolean;
  readonly mustBeFolder: boolean;
  /** Against the last part of the path only. */
  readonly isName: boolean;
  readonly pattern: RegExp;
}

/** The rules of a file in their order, with the one that Helm always adds. */
export type IgnoreRules = readonly Rule[];

/** Hidden files right below templates/ are no templates. Helm adds this rule after those of the file. */
const ALWAYS = "templates/.?*";

/**
 * Reads the text of a `.helmignore`.
 *
 * @param text "" when there is no such file.
 * @throws {ApplianceError} build/bad-chart naming the line that is no pattern, or that uses `**`.
 */
export function readIgnoreRules(text: string, what: string): IgnoreRules {
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  const rules = lines.flatMap((line, index) => readRule(line.trim(), `${what} line ${index + 1}`));
  return [...rules, ...readRule(ALWAYS, what)];
}

/** Tells whether a file or folder is left out. A folder that is left out takes everything in it along. */
export function isIgnored(rules: IgnoreRules, path: string, isFolder: boolean): boolean {
  for (const rule of rules) {
    const fits = rule.pattern.test(rule.isName ? (path.split("/").at(-1) ?? "") : path);
    if (rule.isNegated) {
      if ((rule.mustBeFolder && !isFolder) || !fits) return true;
    } else if (fits && (isFolder || !rule.mustBeFolder)) return true;
  }
  return false;
}

function readRule(line: string, place: string): readonly Rule[] {
  if (line === "" || line.startsWith("#")) return [];
  if (line.includes("**")) throw badRule(place, `"${line.slice(0, 100)}" has **, which Helm does not know`);
  const isNegated = line.startsWith("!");
  const unsigned = isNegated ? line.slice(1) : line;
  const mustBeFolder = unsigned.endsWith("/");
  const bare = mustBeFolder ? unsigned.slice(0, -1) : unsigned;
  const isName = !bare.includes("/");
  return [{ isNegated, mustBeFolder, isName, pattern: patternOf(bare.replace(/^\//, ""), place) }];
}

/** One piece of a Go file pattern: a star, a question mark, a set, an escaped character, or a character. */
const PIECE = /\*|\?|\[\^?(?:\\.|[^\\\]])+\]|\\.|[^[\\]/gsu;

/** Turns a Go file pattern into an expression for the whole text. */
function patternOf(glob: string, place: string): RegExp {
  const pieces = glob.match(PIECE) ?? [];
  if (pieces.join("") !== glob) throw badRule(place, `"${glob.slice(0, 100)}" is no pattern`);
  try {
    return new RegExp(`^${pieces.map(expressionOf).join("")}$`, "su");
  } catch (cause) {
    throw badRule(place, `"${glob.slice(0, 100)}" is no pattern`, cause);
  }
}

function expressionOf(piece: string): string {
  if (piece === "*") return "[^/]*";
  if (piece === "?") return "[^/]";
  const set = /^\[(\^?)(.+)\]$/su.exec(piece);
  if (set !== null) return `[${set[1]}${setOf(set[2] ?? "")}]`;
  return literal(piece.length > 1 && piece.startsWith("\\") ? piece.slice(1) : piece);
}

/** The inside of a set: ranges keep their dash, everything else is meant as it stands. */
function setOf(inside: string): string {
  return inside.replace(/\\(.)|([[\]^&~|{}()/])/gsu, (_all, escaped?: string, plain?: string) =>
    literalInSet(escaped ?? plain ?? ""),
  );
}

function literal(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/u, "\\$&");
}

function literalInSet(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/u, "\\$&");
}

function badRule(place: string, is: string, cause?: unknown): ApplianceError {
  return new ApplianceError("build/bad-chart", `Cannot read ${place}: ${is}, a rule of .helmignore is wanted`, {
    cause,
  });
}
