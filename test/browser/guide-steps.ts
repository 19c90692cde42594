/** The steps of a guide, read from its own text: what a person does, what the page then says, its pictures and its commands. */

/** One thing that the guide tells to do, or says that will be seen. */
export type GuideStep =
  | { readonly kind: "open"; readonly page: string }
  | { readonly kind: "choose"; readonly label: string }
  | { readonly kind: "type"; readonly value: string; readonly field: string }
  | { readonly kind: "see"; readonly words: string }
  /** Said when the run has come to its end. */
  | { readonly kind: "end"; readonly words: string }
  | { readonly kind: "play"; readonly scenario: string; readonly during?: string }
  | { readonly kind: "picture"; readonly name: string }
  | { readonly kind: "command"; readonly line: string };

const FORMS: readonly [RegExp, (match: RegExpExecArray) => GuideStep][] = [
  [/Open \*\*([^*]+)\*\*/y, ([, page = ""]) => ({ kind: "open", page })],
  [/Choose \*\*([^*]+)\*\*/y, ([, label = ""]) => ({ kind: "choose", label })],
  [/Type `([^`]+)` under \*\*([^*]+)\*\*/y, ([, value = "", field = ""]) => ({ kind: "type", value, field })],
  [/At the end it says \*\*([^*]+)\*\*/y, ([, words = ""]) => ({ kind: "end", words })],
  [/(?:says|asks|and) \*\*([^*]+)\*\*/y, ([, words = ""]) => ({ kind: "see", words })],
  [/While `([^`]+)` runs, play `([^`]+)`/y, ([, during = "", scenario = ""]) => ({ kind: "play", scenario, during })],
  [/play `([^`]+)`/y, ([, scenario = ""]) => ({ kind: "play", scenario })],
  [/!\[[^\]]+\]\(images\/([a-z-]+)\.png\)/y, ([, name = ""]) => ({ kind: "picture", name })],
  [/```sh ([^`]+?) ```/y, ([, line = ""]) => ({ kind: "command", line })],
];

/**
 * Reads the numbered steps under a heading, in the order of the text. Line breaks count as spaces.
 *
 * @throws {Error} when there is no such heading.
 */
export function guideSteps(text: string, heading: string): readonly GuideStep[] {
  const start = text.indexOf(`\n## ${heading}\n`);
  if (start < 0) throw new Error(`the guide has no heading "${heading}"`);
  const end = text.indexOf("\n## ", start + 4);
  const sub = text.slice(start, end < 0 ? undefined : end);
  const list = /\n1\. [\s\S]*?(?=\n\S(?<!\n\d))/.exec(sub)?.[0] ?? "";
  return stepsIn(list.replaceAll(/\s+/g, " "));
}

function stepsIn(line: string): readonly GuideStep[] {
  const found: GuideStep[] = [];
  for (let at = 0; at < line.length; ) {
    const step = stepAt(line, at);
    if (step !== undefined) found.push(step.step);
    at = step?.end ?? at + 1;
  }
  return found;
}

function stepAt(line: string, at: number): { readonly step: GuideStep; readonly end: number } | undefined {
  for (const [form, make] of FORMS) {
    form.lastIndex = at;
    const match = form.exec(line);
    if (match !== null) return { step: make(match), end: form.lastIndex };
  }
  return undefined;
}
