/** A state in one word beside its icon. */
import { classes, html, type VNode } from "../html.ts";
import { text } from "../strings.ts";
import { Icon, type IconName } from "./icon.ts";
import { TONES, type Tone } from "./tone.ts";

export interface PillProps {
  readonly tone: Tone;
  /** Absent: the tone's own word. */
  readonly label?: string;
  readonly boxed?: boolean;
  /** Another icon than the tone's: a warning waits for nothing. */
  readonly icon?: IconName;
}

/** Icon and word in the color of the tone. */
export function Pill({ tone, label, boxed = false, icon }: PillProps): VNode {
  return html`<span class=${classes("pill", tone, boxed && "boxed")}>
    <${Icon} name=${icon ?? TONES[tone].icon} />${label ?? text(TONES[tone].word)}
  </span>`;
}
