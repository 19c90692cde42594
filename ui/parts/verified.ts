/** Who vouches for a release: a key by its id, or nobody, with what that means in plain words. */
import { html, type VNode } from "../html.ts";
import { isUnverified, shortKey } from "../model/verified.ts";
import { text } from "../strings.ts";
import { Pill } from "./pill.ts";

/** The mark with its meaning below it; for pages on which a person decides, and those that say what runs. */
export function Verified({ by }: { readonly by: string }): VNode {
  const unverified = isUnverified(by);
  const label = unverified ? text("verified.none-title") : text("verified.by-title", { key: shortKey(by) });
  return html`<div class="verified" title=${unverified ? undefined : by}>
    <${Pill} tone=${unverified ? "attention" : "ready"} icon=${unverified ? "alert" : undefined} label=${label} />
    <p class="quiet">${text(unverified ? "verified.none-about" : "verified.by-about")}</p>
  </div>`;
}
