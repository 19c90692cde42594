/** Updates: whether there is one, what stands in its way, the release before, and what was changed so far. */
import { formatBytes, formatDigest, formatDuration, formatEstimate } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { answerOf, reviewPath } from "../model/updates.ts";
import { Answer } from "../parts/answer.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { EmptyState } from "../parts/empty-state.ts";
import { Facts } from "../parts/facts.ts";
import { Link } from "../parts/link.ts";
import { PageTitle } from "../parts/page-title.ts";
import { Pill } from "../parts/pill.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Table } from "../parts/table.ts";
import { Time } from "../parts/time.ts";
import type { Tone } from "../parts/tone.ts";
import type { UpdateRecord, UpdatesView } from "../state/update-wire.ts";
import { text } from "../strings.ts";
import { OtherRelease, ReturnDeed } from "./update-deeds.ts";
import { PolicyCard } from "./update-policy.ts";
import { useUpdates } from "./use-updates.ts";

/** The page; live while it is open. */
export function UpdatesPage(): VNode {
  const { view, problem, check, busy, refresh } = useUpdates();
  if (view === undefined) {
    return html`<${PageTitle} title=${text("updates.title")} />${
      problem === undefined
        ? html`<${Skeleton} lines=${10} />`
        : html`<${Cause} tone="attention" what=${problem.detail} next=${problem.hint} />`
    }`;
  }
  const { tone, icon, sentence, line } = answerOf(view);
  return html`<${Answer} tone=${tone} icon=${icon} sentence=${sentence} line=${line}><${Deeds} view=${view} busy=${busy} onCheck=${check} /><//>
    <div aria-live="polite">${problem === undefined ? undefined : html`<div class="note"><${Cause} tone="attention" what=${problem.detail} next=${problem.hint} /></div>`}
      <${InTheWay} view=${view} /></div>
    <div class="columns">
      <div class="stack">
        <${HistoryCard} records=${view.history} />
        ${view.installed === null ? undefined : html`<${InstalledCard} view=${view} onChanged=${refresh} />`}
      </div>
      <div class="stack">
        <${PolicyCard} policy=${view.policy} onKept=${refresh} />
        ${view.installed === null ? undefined : html`<${OtherRelease} />`}
      </div>
    </div>`;
}

interface DeedsProps {
  readonly view: UpdatesView;
  readonly busy: boolean;
  readonly onCheck: () => void;
}

/** What runs is looked at; what is offered is looked at before it runs; else one asks the registry. */
function Deeds({ view, busy, onCheck }: DeedsProps): VNode {
  const { operation, offered, installed } = view;
  if (operation !== null && operation.endedAt === null)
    return html`<${Link} to=${`/operations/${operation.id}`} button="primary">${text("updates.to-operation")}<//>`;
  if (installed === null) return html`<${Link} to="/setup" button="primary">${text("overview.to-setup")}<//>`;
  const look = html`<${Button} kind=${offered === null ? "primary" : undefined} busy=${busy} onClick=${onCheck}>${text("updates.check")}<//>`;
  if (offered === null) return look;
  const to = reviewPath(offered.channel ?? offered.version);
  return html`<${Link} to=${to} button="primary">${text("updates.to-plan")}<//>${look}`;
}

/** Why the last look failed, and why nothing may start. */
function InTheWay({ view }: { readonly view: UpdatesView }): VNode {
  const { problem } = view.channel;
  const running = view.operation !== null && view.operation.endedAt === null;
  const reasons = running || view.installed === null ? [] : view.notNow;
  const decide =
    problem?.code === "trust/expired" && view.channel.name !== null ? reviewPath(view.channel.name) : undefined;
  return html`${
    problem === null
      ? undefined
      : html`<div class="note"><${Cause} tone="attention" what=${text("updates.check-failed")} seen=${problem.message} next=${problem.hint}>
      ${decide === undefined ? undefined : html`<${Link} to=${decide} button="normal" small>${text("install.decide-expired")}<//>`}<//></div>`
  }
    ${reasons.map(({ code, message, hint }) => html`<div class="note" key=${code}><${Cause} tone="attention" what=${text("updates.not-now")} seen=${message} next=${hint} /></div>`)}`;
}

function InstalledCard({ view, onChanged }: { readonly view: UpdatesView; readonly onChanged: () => void }): VNode {
  const { installed, previous, channel } = view;
  const items = [
    { name: text("box.release-name"), value: installed?.version ?? "" },
    { name: text("box.channel"), value: installed?.channel ?? "" },
    {
      name: text("box.digest"),
      value: html`<span class="mono" title=${installed?.digest}>${formatDigest(installed?.digest ?? "")}</span>`,
    },
    { name: text("updates.since"), value: installed?.installedAt ? html`<${Time} at=${installed.installedAt} />` : "" },
    { name: text("box.observed"), value: channel.checkedAt ? html`<${Time} at=${channel.checkedAt} ago />` : "" },
    { name: text("updates.previous"), value: previous?.version ?? "" },
  ].filter(({ value }) => value !== "");
  return html`<${Card} title=${text("updates.installed")}><${Facts} items=${items} />
    ${previous === null ? undefined : html`<${ReturnDeed} previous=${previous} onStarted=${onChanged} />`}<//>`;
}

const TONE_OF: Readonly<Record<UpdateRecord["outcome"], Tone>> = {
  installed: "ready",
  returned: "attention",
  untouched: "unknown",
  stopped: "attention",
};

function HistoryCard({ records }: { readonly records: readonly UpdateRecord[] }): VNode {
  const columns = [
    { key: "move", title: text("updates.release"), show: moveOf },
    { key: "end", title: text("updates.end"), show: endOf },
    {
      key: "started",
      title: text("operations.started"),
      show: (one: UpdateRecord) => html`<${Time} at=${one.startedAt} ago />`,
      sortBy: (one: UpdateRecord) => one.startedAt,
      end: true,
    },
    {
      key: "took",
      title: text("updates.took"),
      show: tookOf,
      sortBy: (one: UpdateRecord) => one.durationMs,
      end: true,
    },
  ];
  const table = html`<${Table} label=${text("updates.history")} columns=${columns} rows=${records} stacks keyOf=${(one: UpdateRecord) => one.operationId} />`;
  return html`<${Card} title=${text("updates.history")}>
    ${records.length === 0 ? html`<${EmptyState} message=${text("updates.history-none")} />` : html`${table}<p class="note"><a class="button small" href="/api/updates/history" download="alga-appliance-updates.json">${text("updates.export")}</a></p>`}
  <//>`;
}

function moveOf({ operationId, from, to }: UpdateRecord): VNode {
  const words = text("updates.move", { from: from.version, to: to.version });
  return html`<${Link} to=${`/operations/${encodeURIComponent(operationId)}`}>${words}<//>`;
}

/** How it ended, and why where it did not end well. */
function endOf({ outcome, verdict, reason }: UpdateRecord): VNode {
  const words = [text(`outcome.${outcome}`), verdict === null ? "" : text(`verdict.${verdict}`)];
  return html`<${Pill} tone=${TONE_OF[outcome]} label=${words.join(" ").trim()} />${reason === null ? undefined : html`<p class="quiet">${reason}</p>`}`;
}

/** What happened beside what was planned: time, and bytes. */
function tookOf({ durationMs, expectedMs, bytes, fetched }: UpdateRecord): VNode {
  const took = formatDuration(durationMs);
  const time = expectedMs === null ? took : text("updates.took-of", { took, expected: formatEstimate(expectedMs) });
  return html`${time}${fetched === null ? undefined : html`<p class="quiet">${fetchedText(fetched, bytes ?? null)}</p>`}`;
}

function fetchedText({ parts, images, present }: NonNullable<UpdateRecord["fetched"]>, planned: number | null): string {
  if (images === null && present === 0) return text("updates.fetched-parts", { bytes: formatBytes(parts) });
  const bytes = formatBytes(parts + (images ?? 0));
  return planned === null
    ? text("updates.fetched", { bytes })
    : text("updates.fetched-of", { bytes, planned: formatBytes(planned) });
}
