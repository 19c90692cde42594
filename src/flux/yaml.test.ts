/** Long YAML read piece by piece is what it is when read at once, for any text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { readLongYaml, readYaml } from "./yaml.ts";

const options = { what: "a text", code: "flux/bad-artifact" } as const;
const clock = { now: () => 0, monotonic: () => 0, sleep: async () => {}, after: () => () => {} };

async function both(text: string): Promise<{ readonly once: unknown; readonly pieces: unknown }> {
  const settle = async (read: () => unknown): Promise<unknown> => {
    try {
      return await read();
    } catch (thrown) {
      // Where exactly the parser stops may be told differently; that it does, and why, may not.
      return (thrown as Error).message.replace(/ at line .*$/, "");
    }
  };
  return {
    once: await settle(() => readYaml(text, options)),
    pieces: await settle(() => readLongYaml({ clock }, text, options)),
  };
}

test("any values, in any number of documents", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue({ maxDepth: 4 }), { maxLength: 4 }), async (values) => {
      const text = values.map((value) => stringify(value)).join("---\n");
      const { once, pieces } = await both(text);
      assert.deepEqual(pieces, once);
    }),
    { numRuns: 200 },
  );
});

test("any text, also what is no YAML", async () => {
  const line = fc.constantFrom(
    "a: 1",
    "- b",
    "  c: |",
    "    text",
    "---",
    "...",
    "a: [",
    "&x y",
    "*x",
    "\t",
    "a: 1",
    "%YAML 1.2",
    '"open',
    "",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), async (lines) => {
      const { once, pieces } = await both(lines.join("\n"));
      assert.deepEqual(pieces, once);
    }),
    { numRuns: 500 },
  );
});
