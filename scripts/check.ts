/** `npm run check`: the one gate before a commit. Stops at the first gate that does not hold. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./counts.ts";

const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);

const GATES: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: "packages and embedded UI", command: ["node", "scripts/ensure-installed.mjs"] },
  { name: "format and lint", command: [bin("biome"), "check", "--error-on-warnings", "."] },
  { name: "types (tsc)", command: [bin("tsc"), "--noEmit"] },
  { name: "types (deno)", command: [bin("deno"), "check", "--quiet", "src/main.ts"] },
  { name: "references", command: [bin("bun"), "run", "scripts/docs.ts", "--check"] },
  { name: "architecture and tests", command: [bin("bun"), "run", "scripts/test.ts"] },
];

for (const gate of GATES) {
  const [program = "", ...words] = gate.command;
  console.log(`\n== ${gate.name}`);
  const result = spawnSync(program, words, { cwd: ROOT, stdio: "inherit" });
  if (result.status !== 0) {
    console.log(`\nThe gate "${gate.name}" does not hold`);
    process.exit(result.status ?? 1);
  }
}
console.log("\nAll gates hold");
