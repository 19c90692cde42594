/** How each name server answers, and where the name that people type leads. */
import { formatNumber } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Pill } from "../parts/pill.ts";
import type { Tone } from "../parts/tone.ts";
import type { NameServerReport } from "../state/wire.ts";
import { text } from "../strings.ts";
import { change } from "./step-foot.ts";
import type { NameServers } from "./use-name-servers.ts";

type ServerAnswer = NameServerReport["servers"][number];

export interface ServerMarksProps {
  /** Addresses to show while they are asked. */
  readonly addresses: readonly string[];
  readonly seen: NameServers;
}

/** One row a server: its address and "Works, 3 ms". The rows stand before the answers come, so nothing jumps. */
export function ServerMarks({ addresses, seen }: ServerMarksProps): VNode | null {
  const answers = seen.report?.servers;
  const shown = answers?.map(({ address }) => address) ?? addresses;
  if (shown.length === 0) return null;
  const rows = shown.map((address, index) => {
    const mark = markOf(answers?.[index], { seen, question: seen.report?.question ?? null });
    return html`<li key=${`${address} ${index}`}><span class="mono">${address}</span>${mark}</li>`;
  });
  return html`<ul class="servers" aria-label=${text("dns.checked")} aria-busy=${seen.asking}>${rows}</ul>`;
}

interface Asked {
  readonly seen: NameServers;
  readonly question: string | null;
}

function markOf(answer: ServerAnswer | undefined, { seen, question }: Asked): VNode | undefined {
  if (answer === undefined) {
    return seen.asking ? html`<${Pill} tone="unknown" label=${text("dns.asking")} />` : undefined;
  }
  switch (answer.state) {
    case "works":
      return html`<${Pill} tone="ready" label=${worksIn(answer.tookMs)} />`;
    case "no-such-name":
      return html`<${Pill} tone="attention" icon="alert" label=${text("dns.no-name", { name: question ?? "" })} />`;
    case "refused":
      return html`<${Pill} tone="failed" label=${text("dns.refused")} />`;
    case "no-answer":
      return html`<${Pill} tone="failed" label=${text("dns.silent")} />`;
  }
}

function worksIn(tookMs: number): string {
  return tookMs < 1 ? text("dns.works-at-once") : text("dns.works", { n: formatNumber(tookMs) });
}

/** Where the typed name leads, and a better spelling with one press. Advice: "Continue" does not wait for it. */
export function NameHint({ seen }: { readonly seen: NameServers }): VNode {
  const found = seen.report?.application ?? null;
  const { tone, words } = found === null ? { tone: "unknown" as const, words: "" } : sayWhere(found);
  const better = found?.state === "no-such-name" ? found.suggestion : null;
  return html`<div class="hint" role="status">
    ${words === "" ? undefined : html`<${Pill} tone=${tone} icon=${tone === "attention" ? "alert" : undefined} label=${words} />`}
    ${better === null ? undefined : html`<${Button} kind="plain" onClick=${() => change("appHostname", better)}>${text("address.take", { suggestion: better })}<//>`}
  </div>`;
}

type Application = NonNullable<NameServerReport["application"]>;

/** Silent servers say so in their own rows. */
function sayWhere(found: Application): { readonly tone: Tone; readonly words: string } {
  const { name, state, addresses, leadsHere, suggestion } = found;
  if (state === "no-such-name") {
    const words = suggestion === null ? text("address.unknown", { name }) : text("address.meant", { name, suggestion });
    return { tone: "attention", words };
  }
  if (state !== "works") return { tone: "unknown", words: "" };
  if (leadsHere) return { tone: "ready", words: text("address.here", { name }) };
  return { tone: "attention", words: text("address.elsewhere", { name, addresses: addresses.join(", ") }) };
}
