/** Checks what is embedded, at build time: every template parses, every manifest is a Kubernetes object. */
import { parseAllDocuments } from "yaml";
import { CONTROL_PLANE_MANIFESTS } from "./manifests.ts";
import { FLUX_TEMPLATES } from "./templates.ts";

/**
 * Parses every embedded YAML text.
 *
 * @returns How many there are.
 * @throws {Error} naming the file that does not parse or holds something other than objects.
 */
export function verifyTemplates(): number {
  const all = [...Object.entries(CONTROL_PLANE_MANIFESTS), ...Object.entries(FLUX_TEMPLATES)];
  for (const [path, text] of all) verifyOne(path, text);
  return all.length;
}

function verifyOne(path: string, text: string): void {
  const isValues = path.includes("/values/");
  for (const document of parseAllDocuments(text)) {
    const problem = document.errors[0];
    if (problem !== undefined) throw new Error(`Cannot embed "${path}": ${problem.message}`);
    const value: unknown = document.toJS();
    const isObject = typeof value === "object" && value !== null && "apiVersion" in value && "kind" in value;
    if (!isValues && !isObject) throw new Error(`Cannot embed "${path}": a document has no apiVersion and kind`);
  }
}
