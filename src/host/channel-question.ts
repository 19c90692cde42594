/**
 * What the channel names, asked while k3s starts and images are imported: a registry that has no answer then costs a start no time of
 * its own.
 */
import type { Clock } from "../core/ports.ts";
import type { ChannelFacts } from "./control-plane-facts.ts";

/** Milliseconds for which an answer counts: a network that came up since, or a channel that moved, must be seen. */
const FRESH_MS = 60_000;
/** Asking in the background costs nothing, so it is done anew earlier; not at once, or somebody would wait for that. */
const NEWS_MS = 15_000;

export interface ChannelQuestion {
  /** Asks in the background, unless that is under way or has just ended. Never throws. */
  begin(signal: AbortSignal): void;
  /** The answer of a question that is under way or just ended; else of a new one. */
  answer(signal: AbortSignal): Promise<ChannelFacts>;
}

interface Asked {
  readonly answer: Promise<ChannelFacts>;
  /** On the clock that only goes forward; undefined while nobody has answered. */
  endedMs?: number;
}

/**
 * One question for the steps of one start. Safe to call from several steps.
 * @param ask Takes bounded time and answers a problem instead of throwing.
 */
export function createChannelQuestion(
  clock: Pick<Clock, "monotonic">,
  ask: (signal: AbortSignal) => Promise<ChannelFacts>,
): ChannelQuestion {
  let asked: Asked | undefined;
  const anew = (signal: AbortSignal): Asked => {
    const one: Asked = {
      answer: ask(signal).then((answer) => {
        one.endedMs = clock.monotonic();
        return answer;
      }),
    };
    asked = one;
    return one;
  };
  /** The question that is under way, or that ended less than this ago; else a new one. */
  const askedWithin = (ms: number, signal: AbortSignal): Asked => {
    const isOld = asked?.endedMs !== undefined && clock.monotonic() - asked.endedMs >= ms;
    return asked === undefined || isOld ? anew(signal) : asked;
  };
  return {
    begin: (signal) => void askedWithin(NEWS_MS, signal),
    answer: (signal) => askedWithin(FRESH_MS, signal).answer,
  };
}
