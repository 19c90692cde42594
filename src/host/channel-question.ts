/**
 * What the channel names, asked while k3s starts and images are imported: a registry that has no answer then costs a start no time of
 * its own.
 */
import type { Clock } from "../core/ports.ts";
import type { ChannelFacts } from "./control-plane-facts.ts";

/** Milliseconds for which an answer counts: a network that came up since, or a channel that moved, must be seen. */
const FRESH_MS = 20_000;

export interface ChannelQuestion {
  /** Asks in the background, unless that is under way or somebody has just answered what the channel names. Never throws. */
  begin(signal: AbortSignal): void;
  /** The answer of a question that is under way or just ended; else of a new one. */
  answer(signal: AbortSignal): Promise<ChannelFacts>;
}

interface Asked {
  readonly answer: Promise<ChannelFacts>;
  /** On the clock that only goes forward; undefined while nobody has answered. */
  endedMs?: number;
  isKnown?: boolean;
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
  const isFresh = (): boolean =>
    asked !== undefined && (asked.endedMs === undefined || clock.monotonic() - asked.endedMs < FRESH_MS);
  const anew = (signal: AbortSignal): Asked => {
    const one: Asked = {
      answer: ask(signal).then((answer) => {
        one.endedMs = clock.monotonic();
        one.isKnown = "image" in answer;
        return answer;
      }),
    };
    asked = one;
    return one;
  };
  return {
    begin: (signal) => {
      if (!isFresh() || asked?.isKnown === false) void anew(signal);
    },
    answer: (signal) => (asked !== undefined && isFresh() ? asked : anew(signal)).answer,
  };
}
