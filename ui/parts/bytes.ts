/** A size as disks are sold, with the exact number on hover. */
import { formatBytes } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { text } from "../strings.ts";

/** `value` is bytes. */
export function Bytes({ value }: { readonly value: number }): VNode {
  return html`<span class="numbers" title=${text("unit.bytes", { n: value })}>${formatBytes(value)}</span>`;
}
