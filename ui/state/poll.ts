/** A document that is asked for again and again while somebody looks; the event stream does not carry it. */
import { useEffect, useState } from "preact/hooks";
import { getJson, type Problem } from "./api.ts";

export interface Polled<T> {
  /** The last answer for this path; kept while the box is silent. */
  readonly value: T | undefined;
  /** Why the last call gave nothing. */
  readonly problem: Problem | undefined;
}

/** Asks at once and then every `everyMs`; 0 asks once, null never. A hidden tab rests; an answer for an earlier path is dropped. */
export function usePolled<T>(path: string, everyMs: number | null): Polled<T> {
  const [seen, setSeen] = useState<Polled<T> & { readonly path: string }>({
    path,
    value: undefined,
    problem: undefined,
  });
  useEffect(() => {
    if (everyMs === null) return;
    let current = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      if (!document.hidden) {
        const answered = await getJson<T>(path);
        if (!current) return;
        setSeen((last) =>
          answered.ok
            ? { path, value: answered.value, problem: undefined }
            : { path, value: last.path === path ? last.value : undefined, problem: answered.problem },
        );
      }
      if (everyMs > 0) timer = setTimeout(() => void ask(), everyMs);
    };
    void ask();
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [path, everyMs]);
  return seen.path === path ? seen : { value: undefined, problem: undefined };
}
