/** Lists of tags that are no lists: each is told as the registry's fault, never as the operator's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientOver } from "../../test/support/oci.ts";

const ANSWERS = {
  "a web page": ["<html>log in</html>", "text/html; charset=utf-8", /web page/],
  "no JSON": ["tags: a, b", "application/json", /not usable JSON/],
  "JSON nested without end": [`${"[".repeat(50)}${"]".repeat(50)}`, "application/json", /not usable JSON/],
  "another document": ['{"tags":"stable"}', "application/json", /not a list of tags/],
  "tags that are none": ['{"tags":["../../x"]}', "application/json", /not a list of tags/],
} as const;

for (const [what, [body, type, message]] of Object.entries(ANSWERS)) {
  test(`tags() refuses ${what}`, async () => {
    const client = clientOver(async () => new Response(body, { headers: { "content-type": type } }));
    await assert.rejects(client.tags("a/b"), { code: "oci/unexpected-answer", message });
  });
}
