/**
 * YAML from outside as plain values: no duplicate keys, no alias bombs, errors that name the place.
 *
 * Text is untrusted (bundles, charts, profile values). Only the JSON subset comes out; tags and merge keys do not work.
 */
import { Composer, type Document, Lexer, LineCounter, Parser, parseAllDocuments, parseDocument } from "yaml";
import { ApplianceError, type ErrorCode } from "../core/errors.ts";
import { createPace } from "../core/pace.ts";
import type { Deps } from "../core/ports.ts";

export interface YamlOptions {
  /** What the text is, for messages: `file "base/kustomization.yaml"`. */
  readonly what: string;
  readonly code: ErrorCode;
}

/** Aliases that one document may expand: our own files use none. */
const MAX_ALIASES = 20;

/**
 * Reads all documents of a text; empty ones are left out.
 *
 * @throws {ApplianceError} with `options.code` when it is not YAML, repeats a key or expands too many aliases.
 */
export function readYaml(text: string, options: YamlOptions): readonly unknown[] {
  return parseAllDocuments(text, { uniqueKeys: true }).flatMap((document) => plainOf(document, options));
}

/**
 * Reads a long text as `readYaml` does, and lets others run meanwhile: a definition of a custom resource alone may have
 * hundreds of kilobytes, which is a tenth of a second. Composing one document is the longest piece, some milliseconds.
 *
 * @throws {ApplianceError} as `readYaml`.
 */
export async function readLongYaml(
  { clock }: Pick<Deps, "clock">,
  text: string,
  options: YamlOptions,
): Promise<readonly unknown[]> {
  const lineCounter = new LineCounter();
  const parser = new Parser(lineCounter.addNewLine);
  const composer = new Composer({ uniqueKeys: true });
  const pace = createPace(clock);
  const values: unknown[] = [];
  const take = (documents: Iterable<Document>): void => {
    for (const document of documents) values.push(...plainOf(document, options, lineCounter));
  };
  lineCounter.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) take(composer.next(token));
    if (pace.isDue()) await pace.rest();
  }
  for (const token of parser.end()) take(composer.next(token));
  take(composer.end());
  return values;
}

/** The plain value, none for an empty document. Errors without a place get it from the lines counted. */
function plainOf(document: Document, options: YamlOptions, lines?: LineCounter): readonly unknown[] {
  const problem = document.errors[0];
  if (problem !== undefined) {
    const { line, col } = lines?.linePos(problem.pos[0]) ?? {};
    throw notYaml(options, line === undefined ? problem.message : `${problem.message} at line ${line}, column ${col}`);
  }
  const value = toPlain(() => document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown, options);
  return value === null || value === undefined ? [] : [value];
}

/** Opens one document for editing, comments kept. Throws as `readYaml` does. */
export function openYaml(text: string, options: YamlOptions): ReturnType<typeof parseDocument> {
  const document = parseDocument(text, { uniqueKeys: true });
  const problem = document.errors[0];
  if (problem !== undefined) throw notYaml(options, problem.message);
  return document;
}

function toPlain<T>(read: () => T, options: YamlOptions): T {
  try {
    return read();
  } catch (cause) {
    throw notYaml(options, cause instanceof Error ? cause.message : "it cannot be expanded");
  }
}

/** The library's message shows the lines around; the first line says what and where. */
function notYaml(options: YamlOptions, message: string): ApplianceError {
  const first = message.split("\n", 1)[0]?.replace(/:$/, "").slice(0, 200) ?? "";
  return new ApplianceError(options.code, `Cannot read ${options.what}: ${first}`);
}
