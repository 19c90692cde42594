/** The link to a check's page, and the page: what they say, without a browser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GUIDE, guideLines } from "../../src/status/guide.ts";
import type { VNode } from "../html.ts";
import { HelpLink, HelpText } from "./help.ts";

test("HelpLink() leads to the page of its code, and is read out with what it is about", () => {
  for (const { code, title } of GUIDE) {
    const { props } = HelpLink({ check: { code, title } }) as VNode<{ to: string; label: string; children: string }>;
    assert.equal(props.to, `/help/${code}`);
    assert.equal(props.children, "What this means");
    assert.equal(props.label, `What this means: ${title}`);
  }
});

test("HelpText() holds every paragraph of the page as text", () => {
  for (const page of GUIDE) {
    const lines = guideLines(page);
    const words = wordsOf(HelpText({ page: { ...page, lines } }));
    for (const { name, text } of lines)
      assert.ok(words.includes(name) && words.includes(text), `${page.code}: ${name}`);
  }
});

/** Every text below a node, in order. */
function wordsOf(node: unknown): readonly string[] {
  if (typeof node === "string") return [node];
  if (Array.isArray(node)) return node.flatMap(wordsOf);
  const { props } = (node ?? {}) as { readonly props?: { readonly children?: unknown } };
  return props === undefined ? [] : wordsOf(props.children);
}
