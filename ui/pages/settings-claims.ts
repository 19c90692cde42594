/** Who claimed the box, and whose later claim was refused: an unknown address here is worth a question. */
import { html, type VNode } from "../html.ts";
import { Card } from "../parts/card.ts";
import { Facts } from "../parts/facts.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Time } from "../parts/time.ts";
import { usePolled } from "../state/poll.ts";
import type { ClaimRecord } from "../state/wire.ts";
import { text } from "../strings.ts";

const CLAIMS_MS = 60_000;

/** The newest first. */
export function ClaimsCard(): VNode {
  const { value } = usePolled<{ readonly claims: readonly ClaimRecord[] }>("/api/claims", CLAIMS_MS);
  const rows = [...(value?.claims ?? [])].reverse().map((claim, index) => ({
    key: String(index),
    name: html`<${Time} at=${claim.at} ago />`,
    value: text(claim.outcome === "claimed" ? "claims.claimed" : "claims.refused", {
      peer: claim.peer,
      line: text(claim.secure ? "claims.secure" : "claims.plain"),
    }),
  }));
  return html`<${Card} title=${text("claims.title")}>
    ${value === undefined ? html`<${Skeleton} lines=${1} />` : rows.length === 0 ? text("claims.none") : html`<${Facts} items=${rows} />`}
  <//>`;
}
