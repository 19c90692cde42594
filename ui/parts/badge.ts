/** The round mark of a rung or an answer; its word is read to those who cannot see it. */
import { classes, html, type VNode } from "../html.ts";
import { text } from "../strings.ts";
import { Icon, type IconName } from "./icon.ts";
import { TONES, type Tone } from "./tone.ts";

export interface BadgeProps {
  readonly tone: Tone;
  readonly large?: boolean;
  /** Another mark than the tone's; it stands beside words that say what it is. */
  readonly icon?: IconName | undefined;
  /** Word for screen readers; absent: the tone's own. */
  readonly label?: string;
}

/** Icon for the eye, word for the reader; never color alone. */
export function Badge({ tone, large = false, icon, label }: BadgeProps): VNode {
  return html`<span class=${classes("badge", tone, large && "large")}>
    <${Icon} name=${icon ?? TONES[tone].icon} spins=${tone === "progressing" && icon === undefined} />
    ${icon === undefined ? html`<span class="hidden-visually">${label ?? text(TONES[tone].word)}</span>` : undefined}
  </span>`;
}
