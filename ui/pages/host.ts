/** The host and its network: figures now, and the last hours as two small plots. */
import { formatAge, formatBytes } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { boxFacts } from "../model/box-facts.ts";
import { Card } from "../parts/card.ts";
import { Facts } from "../parts/facts.ts";
import { PageTitle } from "../parts/page-title.ts";
import { Plot } from "../parts/plot.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Time } from "../parts/time.ts";
import { useNow } from "../state/clock.ts";
import { status } from "../state/live.ts";
import { usePolled } from "../state/poll.ts";
import { useStore } from "../state/store.ts";
import type { ApplianceStatus, HostSample, NameServerReport } from "../state/wire.ts";
import { text } from "../strings.ts";
import { StartsCard } from "./host-starts.ts";
import { ServerMarks } from "./name-servers.ts";
import { useNameServers } from "./use-name-servers.ts";

/** The ring grows once a minute. */
const HISTORY_MS = 60_000;
/** What the box uses by itself: no answers of a wizard. */
const OWN_SERVERS = { dnsMode: "system", dnsServers: "", appHostname: "" } as const;

/** What the machine is, how it stands, and how it stood. */
export function HostPage(): VNode {
  const known = useStore(status);
  const history = usePolled<{ readonly samples: readonly HostSample[] }>("/api/host/history", HISTORY_MS);
  if (known === null) return html`<${PageTitle} title=${text("nav.host")} /><${Skeleton} lines=${8} />`;
  return html`<${PageTitle} title=${text("nav.host")} />
    <div class="columns">
      <div class="stack">
        <${MachineCard} known=${known} />
        <${StartsCard} />
      </div>
      <div class="stack">
        <${HistoryCard} samples=${history.value?.samples} />
        <${NetworkCard} known=${known} />
      </div>
    </div>`;
}

function MachineCard({ known }: { readonly known: ApplianceStatus }): VNode {
  const items = [
    { name: text("box.name"), value: known.appliance.name },
    ...boxFacts(known.host, useNow(0)).map((fact) => ({
      ...fact,
      value: html`<span class="numbers">${fact.value}</span>`,
    })),
    { name: text("box.version"), value: known.appliance.version },
    { name: text("box.observed"), value: html`<${Time} at=${known.observedAt} ago />` },
  ];
  return html`<${Card} title=${text("host.machine")}><${Facts} items=${items} /><//>`;
}

/** Two samples make a line; before that the page says why there is none. */
function HistoryCard({ samples }: { readonly samples: readonly HostSample[] | undefined }): VNode {
  if (samples === undefined) return html`<${Card} title=${text("host.history")}><${Skeleton} lines=${6} /><//>`;
  const [first] = samples;
  if (first === undefined || samples.length < 2) {
    return html`<${Card} title=${text("host.history")}><p class="quiet">${text("host.no-history")}</p><//>`;
  }
  const age = formatAge(Date.parse(samples.at(-1)?.at ?? first.at) - Date.parse(first.at));
  const plot = (label: string, of: (sample: HostSample) => number | null): VNode | undefined => {
    const values = samples.map(of).filter((value) => value !== null);
    return values.length < 2 ? undefined : html`<${Plot} label=${label} values=${values} show=${formatBytes} />`;
  };
  return html`<${Card} title=${text("host.history-of", { age })}>
    ${plot(text("host.disk-used"), (sample) => sample.diskBytes)}
    ${plot(text("host.memory-used"), (sample) => sample.memoryBytes)}
  <//>`;
}

function NetworkCard({ known }: { readonly known: ApplianceStatus }): VNode {
  const seen = useNameServers(OWN_SERVERS);
  const items = [
    { name: text("box.addresses"), value: known.appliance.addresses.join(", ") },
    { name: text("host.login"), value: known.urls.login ?? "" },
  ].filter(({ value }) => value !== "");
  const none: NameServerReport["servers"] = [];
  const asked = seen.report?.servers ?? none;
  return html`<${Card} title=${text("host.network")}><${Facts} items=${items} />
    <h3 class="label">${text("box.resolvers")}</h3>
    ${seen.report !== undefined && asked.length === 0 ? html`<p class="quiet">${text("dns.none")}</p>` : html`<${ServerMarks} addresses=${[]} seen=${seen} />`}
  <//>`;
}
