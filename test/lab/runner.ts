// A small runner: cases in order, one line each, and a count at the end. A case that throws has failed. Cases that begin on a
// fresh box may be tried once more, because they wait for a whole cluster on a machine that others share; the first failure is
// printed all the same.

export interface Case {
  readonly name: string;
  readonly run: () => Promise<void>;
}

export interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  failures: string[];
}

export function newOutcome(): Outcome {
  return { passed: 0, failed: 0, skipped: 0, failures: [] };
}

/** Runs the cases whose name matches; with `stopAtFailure` the rest is counted as skipped, since they build on each other. */
export async function runCases(
  cases: readonly Case[],
  outcome: Outcome,
  options: { filter?: RegExp | undefined; stopAtFailure?: boolean; tryTwice?: boolean },
): Promise<void> {
  let stopped = false;
  for (const one of cases) {
    if (stopped || options.filter?.test(one.name) === false) {
      outcome.skipped += 1;
      if (stopped) process.stdout.write(`skip  ${one.name}: an earlier case that it builds on failed\n`);
      continue;
    }
    const failed = await runCase(one, outcome, options.tryTwice === true ? 2 : 1);
    stopped = failed && options.stopAtFailure === true;
  }
}

async function runCase(one: Case, outcome: Outcome, tries: number): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    const started = Date.now();
    const problem = await problemOf(one);
    if (problem === undefined) {
      outcome.passed += 1;
      process.stdout.write(`ok    ${one.name} (${seconds(started)}${attempt === 1 ? "" : `, at try ${attempt}`})\n`);
      return false;
    }
    process.stdout.write(`FAIL  ${one.name} (${seconds(started)})\n      ${problem.replaceAll("\n", "\n      ")}\n`);
    if (attempt < tries) continue;
    outcome.failed += 1;
    outcome.failures.push(`${one.name}: ${problem}`);
    return true;
  }
}

async function problemOf(one: Case): Promise<string | undefined> {
  try {
    await one.run();
    return undefined;
  } catch (problem) {
    return problem instanceof Error ? problem.message : String(problem);
  }
}

function seconds(started: number): string {
  return `${((Date.now() - started) / 1000).toFixed(1)} s`;
}
