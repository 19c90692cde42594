/** A watch on silence: calls back when nothing has happened for a time. */
import { clearTimeout, setTimeout } from "node:timers";

export interface Idle {
  /** Something happened: the time begins again. */
  touch(): void;
  /** The other side is not to blame now (the consumer is slow); `touch` goes on. */
  pause(): void;
  /** Over for good. */
  stop(): void;
}

/** Starts to watch at the first touch; 0 ms watches nothing. */
export function watchIdle(ms: number, onIdle: () => void): Idle {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = ms === 0;
  const pause = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  return {
    pause,
    touch: () => {
      if (isOver) return;
      pause();
      timer = setTimeout(onIdle, ms);
    },
    stop: () => {
      isOver = true;
      pause();
    },
  };
}
