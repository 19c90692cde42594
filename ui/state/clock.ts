/**
 * The box's time as the page sees it. The reader's clock may be wrong, so elapsed times use the `Date` header of the
 * box's answers; the page only adds what has passed since.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { createStore } from "./store.ts";

const skewMs = createStore(0);

/** Learns the difference of the two clocks from an answer. Differences under 2 s are noise of the header. */
export function learnTime(date: string | null): void {
  if (date === null) return;
  const server = Date.parse(date);
  if (Number.isNaN(server)) return;
  const skew = server - Date.now();
  if (Math.abs(skew - skewMs.get()) > 2_000) skewMs.set(skew);
}

/** The box's time in milliseconds. */
export function boxNow(): number {
  return Date.now() + skewMs.get();
}

const beats = new Set<() => void>();
let beating: ReturnType<typeof setInterval> | undefined;

/** Calls a second: one timer for the whole page, however many ages stand on it. */
function onBeat(call: () => void): () => void {
  beats.add(call);
  beating ??= setInterval(() => {
    for (const each of [...beats]) each();
  }, 1_000);
  return () => {
    beats.delete(call);
    if (beats.size > 0) return;
    clearInterval(beating);
    beating = undefined;
  };
}

/** Words that depend on the box's time. Looked at each second; what shows them is drawn anew only when they differ. */
export function useWordsOfNow(words: (now: number) => string): string {
  const current = words(boxNow());
  const [, show] = useState(current);
  const latest = useRef(words);
  latest.current = words;
  useEffect(() => onBeat(() => show(latest.current(boxNow()))), []);
  return current;
}

/** The box's time, renewed every `intervalMs`; 0 stops it. */
export function useNow(intervalMs = 1_000): number {
  const [now, setNow] = useState(boxNow);
  useEffect(() => {
    if (intervalMs === 0) return;
    const timer = setInterval(() => setNow(boxNow()), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return now;
}
