/** The round mark of a rung or an answer; its word is read to those who cannot see it. */
import { classes, html, type VNode } from "../html.ts";
import { text } from "../strings.ts";
import { Icon } from "./icon.ts";
import { TONES, type Tone } from "./tone.ts";

export interface BadgeProps {
  readonly tone: Tone;
  readonly large?: boolean;
  /** Word for screen readers; absent: the tone's own. */
  readonly label?: string;
}

/** Icon for the eye, word for the reader; never color alone. */
export function Badge({ tone, large = false, label }: BadgeProps): VNode {
  return html`<span class=${classes("badge", tone, large && "large")}>
    <${Icon} name=${TONES[tone].icon} spins=${tone === "progressing"} />
    <span class="hidden-visually">${label ?? text(TONES[tone].word)}</span>
  </span>`;
}
