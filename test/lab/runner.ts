// A small runner: cases in order, one line each, and a count at the end. A case that throws has failed. Cases wait for a whole
// cluster on a machine that others share, so each may be tried once more from a fresh box; the first failure is printed all the
// same, and named again in the summary.

export interface Case {
  readonly name: string;
  readonly run: () => Promise<void>;
}

export interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  /** What failed for good, and why. */
  readonly failures: string[];
  /** What failed once and then held. */
  readonly secondTries: string[];
}

export interface RunnerOptions {
  /** Only cases whose name matches. */
  readonly filter?: RegExp | undefined;
  /** What to print beside a failure, so that it explains itself. */
  readonly explain: () => Promise<string>;
  /** No case is begun after it (Unix milliseconds), and none is tried again: whoever runs this has to end soon. */
  readonly until?: number | undefined;
}

const NO_TIME = "no time is left for it in this run";

export function newOutcome(): Outcome {
  return { passed: 0, failed: 0, skipped: 0, failures: [], secondTries: [] };
}

/** Runs cases that each make a box of their own. */
export async function runCases(cases: readonly Case[], outcome: Outcome, options: RunnerOptions): Promise<void> {
  for (const one of cases) {
    if (options.filter?.test(one.name) === false) {
      outcome.skipped += 1;
      continue;
    }
    if (isLate(options)) {
      outcome.skipped += skip([one], NO_TIME);
      continue;
    }
    const first = await runCase(one, options);
    if (first === undefined) {
      outcome.passed += 1;
      continue;
    }
    const second = isLate(options) ? first : await runCase(one, options);
    if (second === undefined) outcome.passed += 1;
    else outcome.failed += 1;
    note(outcome, second === undefined, `${one.name}: ${second ?? first}`);
  }
}

/**
 * Runs cases that build on each other on one box: at the first failure the rest is counted as skipped. Then `again` makes a
 * fresh box and the cases of a second try, whose counts are the ones that count.
 */
export async function runStory(
  cases: readonly Case[],
  outcome: Outcome,
  options: RunnerOptions & { readonly again: () => Promise<readonly Case[]> },
): Promise<void> {
  const first = await tellStory(cases, options);
  const isOver = first.failure === undefined || isLate(options);
  const told = isOver ? first : await tellStory(await options.again(), options);
  outcome.passed += told.passed;
  outcome.skipped += told.skipped;
  if (told.failure !== undefined) outcome.failed += 1;
  if (first.failure !== undefined) note(outcome, told.failure === undefined, told.failure ?? first.failure);
}

async function tellStory(
  cases: readonly Case[],
  options: RunnerOptions,
): Promise<{ passed: number; skipped: number; failure?: string }> {
  for (const [passed, one] of cases.entries()) {
    if (isLate(options)) return { passed, skipped: skip(cases.slice(passed), NO_TIME) };
    const problem = await runCase(one, options);
    if (problem === undefined) continue;
    const skipped = skip(cases.slice(passed + 1), "an earlier case that it builds on failed");
    return { passed, skipped, failure: `${one.name}: ${problem}` };
  }
  return { passed: cases.length, skipped: 0 };
}

function skip(cases: readonly Case[], why: string): number {
  for (const { name } of cases) print(`skip  ${name}: ${why}`);
  return cases.length;
}

function isLate({ until }: RunnerOptions): boolean {
  return until !== undefined && Date.now() > until;
}

function note(outcome: Outcome, held: boolean, text: string): void {
  (held ? outcome.secondTries : outcome.failures).push(text);
}

async function runCase(one: Case, options: RunnerOptions): Promise<string | undefined> {
  const started = Date.now();
  const problem = await problemOf(one);
  const seconds = `${((Date.now() - started) / 1000).toFixed(1)} s`;
  if (problem === undefined) {
    print(`ok    ${one.name} (${seconds})`);
    return undefined;
  }
  print(`FAIL  ${one.name} (${seconds})\n${indented(problem)}\n${indented(await options.explain())}`);
  return problem;
}

async function problemOf(one: Case): Promise<string | undefined> {
  try {
    await one.run();
    return undefined;
  } catch (problem) {
    return problem instanceof Error ? problem.message : String(problem);
  }
}

function indented(text: string): string {
  return `      ${text.replaceAll("\n", "\n      ")}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
