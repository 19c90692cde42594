/** The metrics: readable by the rules of the format, named by the rules of Prometheus' linter, for every recorded situation. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { LINT_RULES, readExposition } from "../../test/support/exposition.ts";
import { statusOf } from "../../test/support/situations.ts";
import { writeMetrics } from "./metrics.ts";

const NAMES = readdirSync(new URL("./situations/", import.meta.url))
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => file.replace(/\.yaml$/, ""));

/** One family for each rule that breaks this rule alone. */
const BROKEN: Readonly<Record<string, string>> = {
  LintHelp: "# TYPE x gauge\nx 1\n",
  LintMetricUnits: "# HELP x_milliseconds y\n# TYPE x_milliseconds gauge\nx_milliseconds 1\n",
  LintCounter: "# HELP x_total y\n# TYPE x_total gauge\nx_total 1\n",
  LintHistogramSummaryReserved: '# HELP x y\n# TYPE x gauge\nx{le="1"} 1\n',
  LintMetricTypeInName: "# HELP x_gauge y\n# TYPE x_gauge gauge\nx_gauge 1\n",
  LintReservedChars: "# HELP x:y y\n# TYPE x:y gauge\nx:y 1\n",
  LintCamelCase: '# HELP x y\n# TYPE x gauge\nx{someLabel="1"} 1\n',
  LintUnitAbbreviations: "# HELP x_ms y\n# TYPE x_ms gauge\nx_ms 1\n",
  LintDuplicateMetric: '# HELP x y\n# TYPE x gauge\nx{a="1"} 1\nx{a="1"} 2\n',
};

const problemsOf = (text: string): string[] =>
  readExposition(text).flatMap((family) =>
    Object.entries(LINT_RULES).flatMap(([rule, isBroken]) => (isBroken(family) ? [`${family.name}: ${rule}`] : [])),
  );

describe("the metrics", () => {
  it("are read by the rules of the format and break no rule of the linter, in every situation", () => {
    for (const name of NAMES) assert.deepEqual(problemsOf(writeMetrics(statusOf(name))), [], name);
  });

  it("tell states as one series each, of which one is 1", () => {
    const families = readExposition(writeMetrics(statusOf("database-crashes")));
    const states = families.filter(({ name }) => name.endsWith("_state"));
    assert.ok(states.length >= 2);
    for (const { samples } of states) {
      const groups = new Map<string, number>();
      for (const { labels, value } of samples) {
        const { state, ...rest } = labels;
        assert.ok(state !== undefined && (value === 0 || value === 1));
        const key = JSON.stringify(rest);
        groups.set(key, (groups.get(key) ?? 0) + value);
      }
      assert.ok([...groups.values()].every((sum) => sum === 1));
    }
  });

  it("give back what others wrote, whatever it holds", () => {
    const status = statusOf("healthy");
    const version = 'a"b\\c\nd{}=,\\n';
    const text = writeMetrics({ ...status, appliance: { ...status.appliance, version } });
    const info = readExposition(text).find(({ name }) => name === "alga_appliance_info");
    assert.equal(info?.samples[0]?.labels.version, version);
  });
});

describe("the rules of the linter", () => {
  for (const [rule, text] of Object.entries(BROKEN)) {
    it(`${rule} finds what breaks it`, () => {
      const found = problemsOf(text).map((problem) => problem.split(": ")[1]);
      assert.deepEqual(found, [rule]);
    });
  }

  it("are each shown", () => assert.deepEqual(Object.keys(BROKEN).sort(), Object.keys(LINT_RULES).sort()));

  it("stand on a reader that refuses what the format does not allow", () => {
    const bad = [
      "x 1",
      "x one\n",
      'x{a="1} 1\n',
      "# TYPE x gauge\ny 1\n",
      "# HELP x a\n# HELP x b\n",
      '# TYPE x gauge\nx{a="1",a="2"} 1\n',
    ];
    for (const text of bad) assert.throws(() => readExposition(text), Error, text);
  });
});
