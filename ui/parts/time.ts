/** A point in time as its age, with the exact time on hover and in copied text. */
import { formatAge, formatExact } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { useWordsOfNow } from "../state/clock.ts";
import { text } from "../strings.ts";

export interface TimeProps {
  readonly at: string;
  /** Says "ago"; without it the age alone, as "since when". */
  readonly ago?: boolean;
}

/** `at` is an ISO instant; the age follows the clock of the box. */
export function Time({ at, ago = false }: TimeProps): VNode {
  const age = useWordsOfNow((now) => formatAge(now - Date.parse(at)));
  return html`<time datetime=${at} title=${formatExact(at)}>${ago ? text("time.ago", { age }) : age}</time>`;
}
