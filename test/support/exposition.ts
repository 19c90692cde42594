/**
 * A strict reader of Prometheus' text format, and the rules by which Prometheus lints names.
 *
 * @see Prometheus documentation, "Exposition formats", text format 0.0.4
 * @see github.com/prometheus/client_golang v1.23.2, prometheus/testutil/promlint/validations (what `promtool check metrics` runs)
 */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string | undefined;
  readonly samples: readonly Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]Inf)$/;

interface Draft {
  type: string;
  help: string | undefined;
  readonly samples: Sample[];
}

/** Reads an exposition. @throws {Error} with the line that the format does not allow. */
export function readExposition(text: string): readonly Family[] {
  if (!text.endsWith("\n")) throw new Error("the last line does not end with a line feed");
  const families = new Map<string, Draft>();
  let current = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const [, word, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === undefined) {
      const sample = readSample(line);
      if (sample.name !== current) throw new Error(`not beside its family: ${line}`);
      families.get(current)?.samples.push(sample);
    } else {
      current = name;
      readHead(families, { line, word, name, rest });
    }
  }
  return [...families].map(([name, family]) => ({ name, ...family }));
}

function readHead(
  families: Map<string, Draft>,
  { line, word, name, rest }: Readonly<Record<"line" | "word" | "name" | "rest", string>>,
): void {
  if (!NAME.test(name)) throw new Error(`no name: ${line}`);
  const family = families.get(name) ?? { type: "untyped", help: undefined, samples: [] };
  const isTwice = word === "HELP" ? family.help !== undefined : family.type !== "untyped";
  if (isTwice || family.samples.length > 0) throw new Error(`too late: ${line}`);
  families.set(name, word === "HELP" ? { ...family, help: rest } : { ...family, type: rest });
}

function readSample(line: string): Sample {
  const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
  if (name === "" || !NUMBER.test(value)) throw new Error(`no sample: ${line}`);
  const found: Record<string, string> = {};
  let rest = labels;
  while (rest !== "") {
    const [whole = "", label = "", text = ""] = LABEL.exec(rest) ?? [];
    if (whole === "" || label in found) throw new Error(`no labels: ${line}`);
    found[label] = text.replace(/\\(.)/g, (_all, escaped: string) => (escaped === "n" ? "\n" : escaped));
    rest = rest.slice(whole.length);
  }
  return { name, labels: found, value: Number(value.replace("Inf", "Infinity")) };
}

const ABBREVIATED = ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"];
const OTHER_UNITS =
  /^(?:(?:pico|nano|micro|milli|centi|deci|deca|hecto|kilo|kibi|mega|mibi|giga|gibi|tera|tebi|peta|pebi)(?:seconds|bytes|grams|met(?:er|re)s|joules|volts|amperes|kelvin|celsius|bits)|minutes|hours|days|weeks|bits|kelvins|fahrenheit|rankine|inches|yards|miles|calories|pounds|ounces)$/;
const labelsOf = ({ samples }: Family): readonly string[] => samples.flatMap((one) => Object.keys(one.labels));
const ends = (family: Family, ...suffixes: readonly string[]): boolean =>
  suffixes.some((one) => family.name.endsWith(one));

/** Name of the linter's rule -> whether a family breaks it. */
export const LINT_RULES: Readonly<Record<string, (family: Family) => boolean>> = {
  LintHelp: ({ help }) => help === undefined,
  LintMetricUnits: ({ name }) => name.split("_").some((part) => OTHER_UNITS.test(part)),
  LintCounter: (family) => (family.type === "counter") !== ends(family, "_total"),
  LintHistogramSummaryReserved: (family) =>
    !["histogram", "summary"].includes(family.type) &&
    (ends(family, "_bucket", "_count", "_sum") || labelsOf(family).some((one) => one === "le" || one === "quantile")),
  LintMetricTypeInName: ({ name, type }) => `${name}_`.includes(`_${type}_`),
  LintReservedChars: ({ name }) => name.includes(":"),
  LintCamelCase: (family) => [family.name, ...labelsOf(family)].some((one) => /[a-z][A-Z]/.test(one)),
  LintUnitAbbreviations: ({ name }) => ABBREVIATED.some((unit) => `${name}_`.toLowerCase().includes(`_${unit}_`)),
  LintDuplicateMetric: ({ samples }) =>
    new Set(samples.map((one) => JSON.stringify(Object.entries(one.labels).sort()))).size < samples.length,
};
