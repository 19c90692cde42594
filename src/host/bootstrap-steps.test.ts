/** The boundary of the host as data: what it does, in which order, and what it leaves to the control plane. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { commands } from "./bootstrap-command.ts";
import { BOOTSTRAP_STEPS } from "./bootstrap-steps.ts";

describe("the steps of a bootstrap", () => {
  it("go from what lies beneath Kubernetes over what is brought into it to the handover", () => {
    const phases = BOOTSTRAP_STEPS.map(({ phase }) => phase);
    assert.deepEqual([...new Set(phases)], ["substrate", "assets", "handover"]);
    const order = ["substrate", "assets", "handover"];
    assert.deepEqual(
      phases,
      phases.toSorted((a, b) => order.indexOf(a) - order.indexOf(b)),
    );
    assert.equal(BOOTSTRAP_STEPS.at(-1)?.id, "handover");
  });
  it("each have an end, a title of their own and a sentence for the plan", () => {
    for (const list of [BOOTSTRAP_STEPS.map(({ id }) => id), BOOTSTRAP_STEPS.map(({ title }) => title)])
      assert.equal(new Set(list).size, BOOTSTRAP_STEPS.length);
    for (const { about, budgetMs, retry } of BOOTSTRAP_STEPS) {
      assert.match(about, /^[A-Z].*[.]$/);
      assert.ok(budgetMs > 0 && budgetMs <= 60 * 60_000 && retry.attempts > 1);
    }
  });
  it("do nothing that is the control plane's: no Flux, no release, no application, no setup", () => {
    const words = BOOTSTRAP_STEPS.map(({ id, title, about }) => `${id} ${title} ${about}`).join("\n");
    assert.doesNotMatch(words, /flux|helm|release|github|\bDNS\b|tenant|install the application/i);
  });
  for (const [name, path, flags] of [
    ["bootstrap plan", "bootstrap plan", {}],
    ["bootstrap --dry-run", "bootstrap", { "dry-run": true }],
  ] as const) {
    it(`are printed by ${name}, with no port touched`, async () => {
      const command = commands.find((one) => one.path.join(" ") === path);
      const { context, said } = commandContext({ deps: {}, flags });
      assert.equal(await command?.run(context), 0);
      const { schema, steps } = said.value as { readonly schema: string; readonly steps: readonly object[] };
      assert.deepEqual([schema, steps.length], ["alga.appliance.bootstrap-plan/v1", BOOTSTRAP_STEPS.length]);
      assert.match(said.text, /^1\. Put the host's files right \(substrate\)\n {3}/);
    });
  }
});
