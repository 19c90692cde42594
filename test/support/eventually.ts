/** Waiting in tests: for a condition, with a limit that a busy machine keeps; for a time only where time is the subject. */

/** Generous, because it is the time after which a test fails, not the time that it takes. */
const LIMIT_MS = 20_000;

/** Waits until a condition holds. @throws {Error} naming it when it does not hold in time; what the condition throws. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = LIMIT_MS,
): Promise<void> {
  const endsAt = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > endsAt) throw new Error(`not in time: ${what}`);
    await wait(5);
  }
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
