/**
 * YAML from outside as plain values: no duplicate keys, no alias bombs, errors that name the place.
 *
 * Text is untrusted (bundles, charts, profile values). Only the JSON subset comes out; tags and merge keys do not work.
 */
import { parseAllDocuments, parseDocument } from "yaml";
import { ApplianceError, type ErrorCode } from "../core/errors.ts";

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
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  return documents.flatMap((document) => {
    const problem = document.errors[0];
    if (problem !== undefined) throw notYaml(options, problem.message);
    const value = toPlain(() => document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown, options);
    return value === null || value === undefined ? [] : [value];
  });
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
