/** The one sentence of the updates page, and the words of its numbers. Pure. */
import { formatDigest } from "../format.ts";
import type { IconName } from "../parts/icon.ts";
import type { Tone } from "../parts/tone.ts";
import type { UpdatesView } from "../state/update-wire.ts";
import { text } from "../strings.ts";
import { verifiedText } from "./verified.ts";

export interface UpdateAnswer {
  readonly tone: Tone;
  /** Another mark than the tone's. */
  readonly icon?: IconName;
  readonly sentence: string;
  readonly line: string;
}

/** What runs comes first, then what is offered, then what the channel says. */
export function answerOf(view: UpdatesView): UpdateAnswer {
  const { operation, installed, offered } = view;
  if (operation !== null && operation.endedAt === null) {
    const step = operation.steps.find(({ id }) => id === operation.step)?.title ?? "";
    if (operation.state === "paused")
      return { tone: "attention", sentence: text("updates.paused", { step }), line: text("updates.paused-about") };
    const tone = operation.state === "blocked" ? "failed" : operation.state === "waiting" ? "attention" : "progressing";
    return { tone, sentence: text("updates.running", { step }), line: text("updates.running-about") };
  }
  if (installed === null) return { tone: "unknown", sentence: text("updates.none"), line: text("updates.none-about") };
  if (offered !== null) {
    const { version, channel, verifiedBy } = offered;
    const line = { channel: channel ?? "", verified: verifiedText(verifiedBy), installed: installed.version };
    return {
      tone: "progressing",
      icon: "down",
      sentence: text("updates.offered", { version }),
      line: text("updates.offered-about", line),
    };
  }
  return quietAnswer(view, installed.version);
}

function quietAnswer({ channel }: UpdatesView, version: string): UpdateAnswer {
  const name = channel.name ?? "";
  switch (channel.state) {
    case "current":
      return {
        tone: "ready",
        sentence: text("updates.current", { version }),
        line: text("updates.current-about", { channel: name }),
      };
    case "older":
      return {
        tone: "ready",
        sentence: text("updates.older", { channel: name }),
        line: text("updates.older-about", { installed: version }),
      };
    case "pinned":
      return { tone: "ready", sentence: text("updates.pinned", { version }), line: text("updates.pinned-about") };
    default:
      return { tone: "unknown", sentence: text("updates.unknown"), line: text("updates.unknown-about") };
  }
}

/** Where the plan of a named release is shown: a digest, a version, else a channel. */
export function reviewPath(named: string): string {
  const name = named.trim();
  const key = name.startsWith("sha256:") ? "digest" : /^v?\d+\.\d/.test(name) ? "version" : "channel";
  return `/updates/review?${new URLSearchParams({ [key]: name })}`;
}

/** The release that an address asks for, with the decision about expired metadata; undefined when it asks for none. */
export function askedRelease(query: URLSearchParams): Readonly<Record<string, string>> | undefined {
  const key = ["channel", "version", "digest"].find((one) => (query.get(one) ?? "") !== "");
  const until = query.get("acceptExpired") ?? "";
  if (key === undefined) return undefined;
  return { [key]: query.get(key) ?? "", ...(until === "" ? {} : { acceptExpired: until }) };
}

/** The same plan with expired metadata taken until an instant. */
export function decidedPath(asked: Readonly<Record<string, string>>, acceptExpired: string): string {
  return `/updates/review?${new URLSearchParams({ ...asked, acceptExpired })}`;
}

/** A version with a digest as one compares it: "1.0.3@c6e1…8b6f". The whole stands on hover. */
export function shortened(words: string): string {
  return words.replace(/sha256:[0-9a-f]{64}/g, (digest) => formatDigest(digest));
}
