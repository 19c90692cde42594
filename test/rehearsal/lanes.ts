/** Work that waits more than it works, a few at a time. */

const AT_ONCE = 3;

/** Starts the work for every item in lanes; answers each item's promise by its name. A failure stays with its own item. */
export function startLanes<Item, Result>(
  items: readonly Item[],
  nameOf: (item: Item) => string,
  work: (item: Item) => Promise<Result>,
): (name: string) => Promise<Result> {
  const lanes: Promise<void>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve());
  const runs = new Map<string, Promise<Result>>();
  for (const [index, item] of items.entries()) {
    const lane = index % AT_ONCE;
    const run = (lanes[lane] ?? Promise.resolve()).then(() => work(item));
    runs.set(nameOf(item), run);
    lanes[lane] = run.then(
      () => {},
      () => {},
    );
  }
  return (name) => runs.get(name) ?? Promise.reject(new Error(`${name} was not started`));
}
