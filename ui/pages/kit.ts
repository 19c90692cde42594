/** Every part of the UI on one page, in the states that matter. Shown in the rehearsal only, whose bar stands above it. */
import { useState } from "preact/hooks";
import { formatBytes, formatDuration } from "../format.ts";
import { html, type VNode } from "../html.ts";
import type { Bar } from "../model/bars.ts";
import { Answer } from "../parts/answer.ts";
import { Bars } from "../parts/bars.ts";
import { Button } from "../parts/button.ts";
import { Bytes } from "../parts/bytes.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { Choice } from "../parts/choice.ts";
import { Dialog } from "../parts/dialog.ts";
import { EmptyState } from "../parts/empty-state.ts";
import { Facts } from "../parts/facts.ts";
import { Field } from "../parts/field.ts";
import { Ladder } from "../parts/ladder.ts";
import { LogView } from "../parts/log-view.ts";
import { OfflineBar } from "../parts/offline-bar.ts";
import { Pill } from "../parts/pill.ts";
import { Plot } from "../parts/plot.ts";
import { ReviewTable } from "../parts/review-table.ts";
import { Rung } from "../parts/rung.ts";
import { SecretField } from "../parts/secret-field.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Steps } from "../parts/steps.ts";
import { Table } from "../parts/table.ts";
import { Time } from "../parts/time.ts";
import type { Tone } from "../parts/tone.ts";
import { Verified } from "../parts/verified.ts";
import { showToast } from "../state/toasts.ts";
import { text } from "../strings.ts";

const TONES: readonly Tone[] = ["ready", "progressing", "failed", "attention", "unknown"];
/** 500 rows and 300 points: enough for the virtual table and the plot. */
const ROWS = Array.from({ length: 500 }, (_, index) => ({
  name: `pod-${index + 1}`,
  bytes: (index * 7_919) % 100_000_000,
}));
const BARS: readonly Bar[] = TONES.map((tone, index) => ({
  id: tone,
  title: text(`tone.${tone}`),
  tone,
  from: index * 150,
  width: tone === "unknown" ? 0 : 150 + index * 60,
  took: tone === "unknown" ? "" : formatDuration(index * 41_000),
  word: text(`tone.${tone}`),
}));
const POINTS = Array.from({ length: 300 }, (_, index) => 40e9 + index * 2e7 + Math.sin(index / 9) * 4e8);

/** Every part in its states; holds no state of the box. */
export function KitPage(): VNode {
  return html`<div class="stack">
      <${Answer} tone="failed" sentence=${text("kit.sentence")} line=${text("kit.line")}><${Button} kind="primary">${text("install.again")}<//><//>
      <${States} /><${Inputs} /><${Data} /><${Notes} />
    </div>`;
}

function States(): VNode {
  return html`<${Card} title=${text("kit.states")}>
    <${Ladder} label=${text("ladder.title")}>
      ${TONES.map(
        (
          tone,
        ) => html`<${Rung} tone=${tone} title=${text(`tone.${tone}`)} line=${text("kit.line")} since=${html`<${Time} at=${new Date(0).toISOString()} />`} key=${tone}>
        ${tone === "failed" ? html`<${Cause} what=${text("kit.sentence")} seen=${text("kit.line")} evidence=${[{ ref: "Pod msp/alga-core-0", text: "manifest unknown" }]} next=${text("kit.command")} />` : undefined}
      <//>`,
      )}
    <//>
    <div class="buttons note">${TONES.map((tone) => html`<${Pill} tone=${tone} boxed key=${tone} />`)}</div>
    <div class="note"><${Steps} items=${[
      { title: text("step.welcome"), to: "/setup", state: "past", open: false },
      { title: text("step.address"), to: "/setup/address", state: "here", open: false },
      { title: text("step.install"), to: "/setup/install", state: "ahead", open: false },
    ]} /></div>
  <//>`;
}

function Inputs(): VNode {
  const [name, setName] = useState("psa.example.con");
  const [secret, setSecret] = useState("");
  const [mode, setMode] = useState("system");
  const [asks, setAsks] = useState(false);
  return html`<${Card} title=${text("kit.inputs")}>
    <${Field} name="kit-name" label=${text("address.label")} help=${text("address.help")} value=${name} onInput=${setName} error=${text("kit.wrong")} />
    <${SecretField} name="kit-secret" label=${text("password.label")} value=${secret} onInput=${setSecret} strength=${{ minLength: 12, known: [] }} />
    <${Choice} name="kit-choice" label=${text("dns.label")} value=${mode} onChange=${setMode} options=${[
      { value: "system", label: text("dns.system"), about: text("dns.none"), mark: html`<${Pill} tone="ready" />` },
      { value: "custom", label: text("dns.custom"), about: text("dns.custom-about") },
    ]} />
    <div class="buttons note">
      <${Button} kind="primary">${text("wizard.continue")}<//><${Button}>${text("wizard.back")}<//>
      <${Button} busy>${text("install.now")}<//><${Button} kind="danger" onClick=${() => setAsks(true)}>${text("install.stop")}<//>
      <${Button} kind="plain" onClick=${() => showToast(text("copy.done"))}>${text("login.copy")}<//>
    </div>
    <${Dialog} open=${asks} title=${text("install.stop-title")} about=${text("install.stop-about")} deed=${text("install.stop")} danger
      onDeed=${() => setAsks(false)} onClose=${() => setAsks(false)} />
  <//>`;
}

type Row = (typeof ROWS)[number];

function Data(): VNode {
  const columns = [
    { key: "name", title: text("plan.name"), show: (row: Row) => row.name, sortBy: (row: Row) => row.name },
    {
      key: "bytes",
      title: text("plan.size"),
      show: (row: Row) => html`<${Bytes} value=${row.bytes} />`,
      sortBy: (row: Row) => row.bytes,
      end: true,
    },
  ];
  return html`<${Card} title=${text("kit.data")}>
    <${ReviewTable} rows=${[{ step: text("group.checks"), contents: text("plan.contents-checks"), about: "10 s" }]} />
    <${Facts} items=${[{ name: text("box.name"), value: "box-7f3a" }, { name: text("box.addresses"), value: "192.168.10.20" }]} />
    <${Bars} label=${text("operations.times")} bars=${BARS} />
    <${Plot} label=${text("kit.plot")} values=${POINTS} show=${formatBytes} />
    <${Table} label=${text("kit.table")} columns=${columns} rows=${ROWS} keyOf=${(row: Row) => row.name} />
    <${LogView} label=${text("kit.log")} lines=${ROWS.slice(0, 40).map((row) => `${row.name} started`)} fileName="log.txt" />
  <//>`;
}

function Notes(): VNode {
  return html`<${Card} title=${text("kit.notes")}>
    <${OfflineBar} since=${new Date(0).toISOString()} onRetry=${() => {}} />
    <${EmptyState} message=${text("operations.none")} />
    <${Verified} by="none" /><${Verified} by="release-2026-a" />
    <div class="note"><${Skeleton} lines=${3} /></div>
  <//>`;
}
