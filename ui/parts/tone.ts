/** The tones of a state: its icon and its word. Every state shows both, color is never alone. */
import type { PlainKey } from "../strings.ts";
import type { IconName } from "./icon.ts";

export type Tone = "ready" | "progressing" | "failed" | "attention" | "unknown";

export const TONES: Readonly<Record<Tone, { readonly icon: IconName; readonly word: PlainKey }>> = {
  ready: { icon: "check", word: "tone.ready" },
  progressing: { icon: "arc", word: "tone.progressing" },
  failed: { icon: "alert", word: "tone.failed" },
  attention: { icon: "pause", word: "tone.attention" },
  unknown: { icon: "dot", word: "tone.unknown" },
};
