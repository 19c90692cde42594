/** The metrics before Prometheus' own linter, which `promtool check metrics` runs; and our table of its rules beside it. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { writeMetrics } from "../../src/status/metrics.ts";
import { describeWithTools, tryTool } from "../support/real-tools.ts";
import { statusOf } from "../support/situations.ts";

const lint = (input: string) => tryTool("promlint", [], { input });

describeWithTools(["promlint"], "Prometheus' linter", () => {
  it("finds nothing in the metrics, whatever happens", async () => {
    for (const name of ["healthy", "installing", "update-blocked", "database-crashes", "kube-gone-nothing-known"]) {
      const { code, stdout, stderr } = await lint(writeMetrics(statusOf(name)));
      assert.deepEqual([code, stdout, stderr], [0, "", ""], name);
    }
  });

  it("reads labels that others wrote", async () => {
    const status = statusOf("healthy");
    const hostile = { ...status, appliance: { ...status.appliance, version: 'a"b\\c\nd' } };
    assert.equal((await lint(writeMetrics(hostile))).code, 0);
  });

  it("does find what is wrong", async () => {
    const { code, stdout } = await lint("# HELP x_ms y\n# TYPE x_ms gauge\nx_ms 1\n");
    assert.equal(code, 3);
    assert.match(stdout, /abbreviated units/);
    assert.equal((await lint("x{ 1\n")).code, 1);
  });
});
