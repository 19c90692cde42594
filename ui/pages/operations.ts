/** Every operation of this box, and one of them with its steps and its journal. */
import { useEffect, useState } from "preact/hooks";
import { formatDuration, formatStopwatch } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { barsOf, STEP_TONE } from "../model/bars.ts";
import { Bars } from "../parts/bars.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { Dialog } from "../parts/dialog.ts";
import { EmptyState } from "../parts/empty-state.ts";
import { Ladder } from "../parts/ladder.ts";
import { Link } from "../parts/link.ts";
import { PageTitle } from "../parts/page-title.ts";
import { Pill } from "../parts/pill.ts";
import { Rung } from "../parts/rung.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Table } from "../parts/table.ts";
import { Time } from "../parts/time.ts";
import type { Tone } from "../parts/tone.ts";
import { getJson } from "../state/api.ts";
import { useNow } from "../state/clock.ts";
import { operation } from "../state/live.ts";
import { useStore } from "../state/store.ts";
import type { OperationDetail, OperationView } from "../state/wire.ts";
import { text } from "../strings.ts";
import { JournalView } from "./journal.ts";
import { Mend } from "./trouble.ts";
import { useOperationDeed } from "./use-operation-deed.ts";

type Problem = NonNullable<OperationView["problem"]>;

const TONE_OF: Readonly<Record<OperationView["state"], Tone>> = {
  running: "progressing",
  waiting: "attention",
  blocked: "failed",
  paused: "attention",
  done: "ready",
  failed: "failed",
  cancelled: "attention",
};

/** All operations, newest first. */
export function OperationsPage(): VNode {
  const current = useStore(operation);
  const [runs, setRuns] = useState<readonly OperationView[] | undefined>(undefined);
  useEffect(() => {
    void getJson<{ operations: readonly OperationView[] }>("/api/operations").then((answered) => {
      if (answered.ok) setRuns(answered.value.operations);
    });
  }, [current?.id, current?.state]);
  const list =
    runs === undefined
      ? html`<${Skeleton} lines=${2} />`
      : runs.length === 0
        ? html`<${EmptyState} message=${text("operations.none")} />`
        : html`<${RunTable} runs=${runs} />`;
  return html`<${PageTitle} title=${text("operations.title")} /><${Card} title=${text("operations.all")}>${list}<//>`;
}

function RunTable({ runs }: { readonly runs: readonly OperationView[] }): VNode {
  const columns = [
    {
      key: "kind",
      title: text("operations.kind"),
      show: (run: OperationView) => html`<${Link} to=${`/operations/${run.id}`}>${text(`operation.${run.kind}`)}<//>`,
      sortBy: (run: OperationView) => run.kind,
    },
    {
      key: "state",
      title: text("components.state"),
      show: (run: OperationView) => html`<${RunState} run=${run} />`,
      sortBy: (run: OperationView) => run.state,
    },
    {
      key: "started",
      title: text("operations.started"),
      show: (run: OperationView) => html`<${Time} at=${run.startedAt} ago />`,
      sortBy: (run: OperationView) => run.startedAt,
      end: true,
    },
    { key: "took", title: text("operations.took"), show: tookOf, end: true },
  ];
  return html`<${Table} label=${text("operations.title")} columns=${columns} rows=${runs} stacks keyOf=${(run: OperationView) => run.id} />`;
}

function RunState({ run }: { readonly run: OperationView }): VNode {
  return html`<${Pill} tone=${TONE_OF[run.state]} label=${text(`operation-state.${run.state}`)} />`;
}

function tookOf(run: OperationView): string {
  return run.endedAt === null ? "" : formatDuration(Date.parse(run.endedAt) - Date.parse(run.startedAt));
}

/** One operation by its id, live while it runs. */
export function OperationPage({ id }: { readonly id: string }): VNode {
  const live = useStore(operation);
  const [fetched, setFetched] = useState<OperationView | null | undefined>(undefined);
  useEffect(() => {
    void getJson<OperationDetail>(`/api/operations/${encodeURIComponent(id)}`).then((answered) =>
      setFetched(answered.ok ? answered.value.operation : null),
    );
  }, [id]);
  const run = live?.id === id ? live : fetched;
  if (run === undefined) return html`<${PageTitle} title=${text("operations.asking")} /><${Skeleton} lines=${8} />`;
  if (run === null)
    return html`<${PageTitle} title=${text("operations.unknown")} /><${Link} to="/operations">${text("operations.title")}<//>`;
  return html`<${PageTitle} title=${text(`operation.${run.kind}`)} /><p class="state-line"><${RunState} run=${run} /></p>
    <${RunDeeds} run=${run} />
    <div class="stack">
      <${Card} title=${text("operations.steps")}><${StepLadder} run=${run} /><//>
      <${Card} title=${text("operations.times")}><${StepTimes} run=${run} /><//>
      <${Card} title=${text("journal.title")}><${JournalView} id=${id} /><//>
    </div>`;
}

/** Why it stands still, with the buttons of what can go on. */
function Stopped({ run, problem }: { readonly run: OperationView; readonly problem: Problem }): VNode {
  const deeds = run.endedAt === null && (run.state === "blocked" || run.state === "waiting");
  return html`<${Cause} what=${problem.message} evidence=${problem.evidence} next=${problem.hint}>${deeds ? html`<${Mend} run=${run} />` : undefined}<//>`;
}

/** Pausing, going on and stopping, which asks first. An installation is stopped where it is shown, in the wizard. */
function RunDeeds({ run }: { readonly run: OperationView }): VNode | null {
  const [asks, setAsks] = useState(false);
  const { deed, busy, refusal } = useOperationDeed(run);
  if (run.endedAt !== null) return null;
  const stop = (): void => {
    setAsks(false);
    void deed("cancel");
  };
  const stands = run.state === "paused" || run.pausing === true;
  const goesOn = html`<${Button} kind="primary" busy=${busy} onClick=${() => void deed("resume")}>${text("operations.go-on")}<//>`;
  const pauses = html`<${Button} busy=${busy} onClick=${() => void deed("pause")}>${text("operations.pause")}<//>`;
  const stops = html`<${Button} busy=${busy} onClick=${() => setAsks(true)}>${text("operations.stop")}<//>`;
  return html`${stands ? html`<p class="quiet" role="status">${text(run.state === "paused" ? "operations.paused-about" : "operations.pausing-about")}</p>` : undefined}
    <div class="buttons">${stands ? goesOn : run.state === "blocked" ? undefined : pauses}${run.kind === "setup" ? undefined : stops}</div>
    <div role="alert">${refusal === undefined ? undefined : html`<${Cause} tone="attention" what=${refusal.detail} next=${refusal.hint} />`}</div>
    <${Dialog} open=${asks} title=${text("operations.stop-title")} about=${text("operations.stop-about")} deed=${text("operations.stop")}
      danger onDeed=${stop} onClose=${() => setAsks(false)} />`;
}

function StepTimes({ run }: { readonly run: OperationView }): VNode {
  const now = useNow(run.endedAt === null ? 1_000 : 0);
  return html`<${Bars} label=${text("operations.times")} bars=${barsOf(run, now)} />`;
}

function StepLadder({ run }: { readonly run: OperationView }): VNode {
  const now = useNow(run.endedAt === null ? 1_000 : 0);
  const rungs = run.steps.map((step) => {
    const stopped = step.id === run.step && run.problem !== null ? run.problem : undefined;
    const tone = stopped !== undefined && run.state === "blocked" ? "failed" : STEP_TONE[step.state];
    const end = step.endedAt ?? run.endedAt;
    const took =
      step.startedAt === null
        ? undefined
        : formatStopwatch((end === null ? now : Date.parse(end)) - Date.parse(step.startedAt));
    return html`<${Rung} tone=${tone} title=${step.title} line=${step.detail ?? undefined} since=${took}
      word=${text(`step-state.${step.state}`)} key=${step.id}>
      ${stopped === undefined ? undefined : html`<${Stopped} run=${run} problem=${stopped} />`}
    <//>`;
  });
  return html`<${Ladder} label=${text("operations.steps")}>${rungs}<//>`;
}
