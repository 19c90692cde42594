/**
 * Following the channel: asked now and then, remembered on disk, told when it says something else.
 *
 * The interval has jitter, so that a thousand boxes do not ask in the same second. What an earlier process learned counts:
 * a restart asks no sooner. A registry that is silent leaves what was known, with the reason why it is old.
 */
import { isApplianceError, publicError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { parseInstant, toInstant } from "../core/time.ts";
import { readInstalled } from "../status/installed.ts";
import { repeat } from "../status/repeat.ts";
import { type ChannelState, channelStateSchema, UPDATES_SCHEMA } from "./model.ts";
import { atPace, type UpdateDeps, type UpdateSettings } from "./ports.ts";
import { resolveWanted } from "./releases.ts";

/** Milliseconds between checks, and the part of it by which they are spread. */
const EVERY_MS = 6 * 3_600_000;
const JITTER = 0.2;
/** The first check of a process: the network of a box that boots needs a moment. */
const FIRST_MS = 60_000;
/** Between looks whether it is time: clocks jump and boxes sleep. */
const LOOK_MS = 60_000;

export interface ChannelWatch {
  /** What is known of the followed channel; undefined when it was never asked, or none is followed. */
  known(): Promise<ChannelState | undefined>;
  /**
   * Asks now and keeps the answer. A registry that does not answer is in the result, not thrown.
   * @param channel Default: the one that is followed; undefined when there is none.
   */
  check(signal: AbortSignal, channel?: string): Promise<ChannelState | undefined>;
  /** When it is asked by itself next, RFC 3339; null when it is not. */
  nextCheckAt(): string | null;
  /** Begins to ask by itself until the signal fires; `looked` is called after each look at the time. */
  start(options: { readonly signal: AbortSignal; readonly looked: () => Promise<void> }): void;
}

/** Makes the watch of the channel that is installed. @param changed Called after the kept state says something else. */
export function createChannelWatch(deps: UpdateDeps, settings: UpdateSettings, changed: () => void): ChannelWatch {
  let nextMs: number | undefined;
  const followed = async (): Promise<string | undefined> => (await readInstalled(deps))?.channel ?? undefined;
  const kept = async (): Promise<ChannelState | undefined> =>
    deps.store.readDocument("updates", channelStateSchema).catch(() => undefined);
  const known = async (): Promise<ChannelState | undefined> => {
    const [state, channel] = [await kept(), await followed()];
    return state !== undefined && state.channel === channel ? state : undefined;
  };
  const check: ChannelWatch["check"] = async (signal, asked) => {
    const channel = asked ?? (await followed());
    if (channel === undefined) return undefined;
    const before = await kept();
    const state = await ask(deps, { channel, settings, signal, before });
    if (asked === undefined || asked === (await followed())) await deps.store.writeDocument("updates", state);
    if (JSON.stringify({ ...state, checkedAt: "" }) !== JSON.stringify({ ...before, checkedAt: "" })) changed();
    return state;
  };
  return {
    known,
    check,
    nextCheckAt: () => (nextMs === undefined ? null : toInstant(nextMs)),
    start: ({ signal, looked }) => {
      const look = async (): Promise<number> => {
        nextMs ??= await firstCheckMs(deps, await known());
        if (deps.clock.now() >= nextMs) {
          nextMs = deps.clock.now() + spread(deps);
          await check(signal);
        }
        await looked();
        return atPace(settings, LOOK_MS);
      };
      repeat(deps, look, { what: "updates", signal, minMs: atPace(settings, LOOK_MS) });
    },
  };
}

function spread({ random }: Pick<Deps, "random">): number {
  return Math.round(EVERY_MS * (1 + JITTER * (random.fraction() - 0.5)));
}

/** A check of an earlier process counts; one from the future, by a clock that was wrong, does not. */
async function firstCheckMs(deps: UpdateDeps, known: ChannelState | undefined): Promise<number> {
  const nowMs = deps.clock.now();
  const lastMs = parseInstant(known?.checkedAt);
  const soonMs = nowMs + Math.round(FIRST_MS * (0.5 + deps.random.fraction()));
  if (lastMs === undefined || lastMs > nowMs) return soonMs;
  return Math.max(soonMs, lastMs + spread(deps));
}

async function ask(
  deps: UpdateDeps,
  question: {
    readonly channel: string;
    readonly settings: UpdateSettings;
    readonly signal: AbortSignal;
    readonly before: ChannelState | undefined;
  },
): Promise<ChannelState> {
  const { channel, settings, signal, before } = question;
  try {
    const { manifest, digest, verifiedBy } = await resolveWanted(deps, { channel }, { settings, signal });
    const offer = {
      version: manifest.version,
      digest,
      channel,
      createdAt: manifest.createdAt ?? null,
      verifiedBy,
    };
    return { schema: UPDATES_SCHEMA, channel, checkedAt: toInstant(deps.clock.now()), offer, problem: null };
  } catch (thrown) {
    signal.throwIfAborted();
    if (!isApplianceError(thrown)) throw thrown;
    deps.log.info("channel not read", { channel, error: thrown });
    const last = before?.channel === channel ? before : undefined;
    const problem = publicError(thrown);
    return {
      schema: UPDATES_SCHEMA,
      channel,
      checkedAt: last?.checkedAt ?? null,
      offer: last?.offer ?? null,
      problem,
    };
  }
}
