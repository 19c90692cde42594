/** This is what will change: component by component, with sizes, minutes, and what cannot be taken back. */
import { useEffect, useState } from "preact/hooks";
import { formatBytes, formatEstimate } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { askedRelease, decidedPath, shortened } from "../model/updates.ts";
import { Button } from "../parts/button.ts";
import { Bytes } from "../parts/bytes.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { EmptyState } from "../parts/empty-state.ts";
import { Link } from "../parts/link.ts";
import { PageTitle } from "../parts/page-title.ts";
import { Pill } from "../parts/pill.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Table } from "../parts/table.ts";
import { Verified } from "../parts/verified.ts";
import { type Problem, postJson } from "../state/api.ts";
import { boxNow } from "../state/clock.ts";
import { takeOperation } from "../state/live.ts";
import { navigate, usePlace } from "../state/router.ts";
import type { PlanChange, UpdatePlan } from "../state/update-wire.ts";
import type { OperationView } from "../state/wire.ts";
import { text } from "../strings.ts";
import { acceptedDays } from "./expired.ts";

/** The plan of the release that the address names; it starts exactly that plan. */
export function UpdateReviewPage(): VNode {
  const asked = askedRelease(usePlace().query);
  const { plan, problem, ask } = useUpdatePlan(asked);
  const start = useStart(plan, asked);
  if (asked === undefined) return html`<${PageTitle} title=${text("updates.title")} /><${Back} />`;
  const { refusal } = start;
  const changed = refusal?.code === "update/plan-changed" || refusal?.code === "update/unknown-plan";
  const again = (): void => {
    start.forget();
    void ask();
  };
  return html`<${PageTitle} title=${text("change.title")} />
    <div aria-live="polite">
      ${plan === undefined && problem === undefined ? html`<p class="lead">${text("change.asking")}</p><${Skeleton} lines=${10} />` : undefined}
      ${problem === undefined ? undefined : html`<${NoPlan} problem=${problem} asked=${asked} onAgain=${again} />`}
    </div>
    ${plan === undefined ? undefined : html`<${PlanView} plan=${plan} />`}
    <div role="alert">${refusal === undefined ? undefined : changed ? html`<${PlanChanged} refusal=${refusal} onAgain=${again} />` : html`<${Cause} what=${refusal.detail} next=${refusal.hint} />`}</div>
    <div class="buttons note">
      ${plan === undefined || plan.notNow.length > 0 ? undefined : html`<${Button} kind="primary" busy=${start.busy} onClick=${() => void start.go()}>${text(`change.${plan.kind}`, { version: plan.to.version })}<//>`}
      <${Back} />
    </div>`;
}

function Back(): VNode {
  return html`<${Link} to="/updates" button="normal">${text("wizard.back")}<//>`;
}

interface NoPlanProps {
  readonly problem: Problem;
  readonly asked: Readonly<Record<string, string>>;
  readonly onAgain: () => void;
}

/** Expired metadata is for the operator to decide about; for all else the box can only be asked again. */
function NoPlan({ problem, asked, onAgain }: NoPlanProps): VNode {
  const take = (): void => navigate(decidedPath(asked, acceptedDays(boxNow())[0].value));
  const isExpired = problem.code === "trust/expired";
  const next = isExpired ? text("expired.next") : problem.hint;
  return html`<${Cause} what=${text("change.no-plan")} seen=${problem.detail} next=${next}>
    <${Button} kind="primary" small onClick=${onAgain}>${text("review.ask-again")}<//>
    ${isExpired ? html`<${Button} small onClick=${take}>${acceptedDays(0)[0].label}<//>` : undefined}
  <//>
    ${isExpired ? html`<p class="note quiet">${text("expired.days-about")}</p>` : undefined}`;
}

/** What was looked at is not what would run: it is shown anew, never started. */
function PlanChanged({ refusal, onAgain }: { readonly refusal: Problem; readonly onAgain: () => void }): VNode {
  const given = refusal.details?.changed;
  const evidence = Array.isArray(given) ? given.map((words) => ({ ref: "", text: String(words) })) : [];
  return html`<${Cause} tone="attention" what=${text("change.changed")} seen=${text("change.changed-about")} evidence=${evidence}>
    <${Button} kind="primary" small onClick=${onAgain}>${text("change.again")}<//>
  <//>`;
}

function useUpdatePlan(asked: Readonly<Record<string, string>> | undefined) {
  const [plan, setPlan] = useState<UpdatePlan | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const key = JSON.stringify(asked);
  const ask = async (): Promise<void> => {
    if (asked === undefined) return;
    setPlan(undefined);
    setProblem(undefined);
    const answered = await postJson<UpdatePlan>("/api/updates/plan", asked);
    if (answered.ok) setPlan(answered.value);
    else setProblem(answered.problem);
  };
  useEffect(() => void ask(), [key]);
  return { plan, problem, ask };
}

function useStart(plan: UpdatePlan | undefined, asked: Readonly<Record<string, string>> | undefined) {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Problem | undefined>(undefined);
  const go = async (): Promise<void> => {
    if (busy || plan === undefined) return;
    setBusy(true);
    const body = { ...asked, planDigest: plan.digest };
    const answered = await postJson<{ operation: OperationView }>("/api/updates", body);
    setBusy(false);
    setRefusal(answered.ok ? undefined : answered.problem);
    if (!answered.ok) return;
    takeOperation(answered.value.operation);
    navigate(`/operations/${answered.value.operation.id}`);
  };
  return { busy, refusal, go, forget: () => setRefusal(undefined) };
}

function PlanView({ plan }: { readonly plan: UpdatePlan }): VNode {
  const { from, to, kind } = plan;
  const lead =
    kind === "repair"
      ? text("change.lead-repair", { to: to.version })
      : text("change.lead", { from: from.version, to: to.version });
  return html`<p class="lead">${lead}</p><${Verified} by=${to.verifiedBy} />
    ${plan.notNow.map(({ code, message, hint }) => html`<div class="note" key=${code}><${Cause} tone="attention" what=${text("updates.not-now")} seen=${message} next=${hint} /></div>`)}
    ${plan.irreversible.map(({ id, about, ways }) => html`<div class="note" key=${id}><${Cause} tone="attention" what=${text("change.irreversible")} seen=${about} next=${text("change.ways", { ways: ways.map((way) => text(`way.${way}`)).join(", ") })} /></div>`)}
    ${plan.warnings.map((warning) => html`<p class="warning" key=${warning}><${Pill} tone="attention" icon="alert" label=${warning} /></p>`)}
    <div class="stack note">
      <${Card} title=${text("change.parts", { n: plan.components.length })}>
        ${plan.components.length === 0 ? html`<${EmptyState} message=${text("change.nothing")} />` : html`<${Components} plan=${plan} />`}
      <//>
      ${plan.other.length === 0 ? undefined : html`<${Card} title=${text("change.others")}><${Changes} changes=${plan.other} /><//>`}
      ${plan.definitions === null || plan.definitions.length === 0 ? undefined : html`<${Card} title=${text("change.definitions")}><${DefinitionList} definitions=${plan.definitions} /><//>`}
      ${plan.checks.length === 0 ? undefined : html`<${Card} title=${text("change.checks")}><${CheckList} checks=${plan.checks} /><//>`}
      <${Card} title=${text("change.steps")}><${Steps} plan=${plan} /><${Costs} plan=${plan} /><//>
    </div>`;
}

type Part = UpdatePlan["components"][number];

function Components({ plan }: { readonly plan: UpdatePlan }): VNode {
  const columns = [
    { key: "name", title: text("components.name"), show: (part: Part) => part.name, sortBy: (part: Part) => part.name },
    {
      key: "changes",
      title: text("change.what"),
      show: (part: Part) => html`<${Changes} changes=${part.changes} />`,
    },
    {
      key: "restarts",
      title: text("change.restarts"),
      show: (part: Part) =>
        html`<${Pill} tone=${part.restarts ? "attention" : "ready"} label=${text(part.restarts ? "change.restarts" : "change.stays")} />`,
      sortBy: (part: Part) => (part.restarts ? 1 : 0),
      end: true,
    },
  ];
  return html`<${Table} label=${text("change.parts", { n: plan.components.length })} columns=${columns} rows=${plan.components} stacks keyOf=${(part: Part) => part.name} />`;
}

/** Old and new beside one another, as text that cannot turn the words around it. */
function Changes({ changes }: { readonly changes: readonly PlanChange[] }): VNode {
  const rows = changes.map(({ kind, name, from, to }) => {
    const whole = text("change.row", { name, from: from ?? text("change.new"), to: to ?? text("change.gone") });
    return html`<li key=${`${kind} ${name}`}><span class="mono" title=${whole}>${shortened(whole)}</span></li>`;
  });
  return html`<ul class="changes">${rows}</ul>`;
}

/** Each definition with the versions that come and go; one that objects are stored in is told above as what stands in the way. */
function DefinitionList({ definitions }: { readonly definitions: NonNullable<UpdatePlan["definitions"]> }): VNode {
  const rows = definitions.map(({ name, isNew, added, removed }) => {
    const came = text(isNew ? "change.definition-new" : "change.definition-came", { versions: added.join(", ") });
    const went = text("change.definition-went", { versions: removed.join(", ") });
    const words = [added.length === 0 ? "" : came, removed.length === 0 ? "" : went].filter((one) => one !== "");
    return html`<li key=${name}><span class="mono">${name}</span> ${words.join("; ")}</li>`;
  });
  return html`<ul class="changes">${rows}</ul>`;
}

/** How many hold, and each of them on demand; what failed stands above as what is in the way. */
function CheckList({ checks }: { readonly checks: UpdatePlan["checks"] }): VNode {
  const well = checks.filter(({ state }) => state === "ok");
  const rows = checks.map(({ code, title, state, evidence }) => {
    const seen = evidence.map((one) => `${one.ref}: ${one.text}`).join("; ");
    const tone = state === "ok" ? "ready" : "attention";
    const word = text(state === "ok" ? "change.check-holds" : "change.check-fails");
    return html`<li key=${code} title=${seen}><${Pill} tone=${tone} label=${word} /> ${title}</li>`;
  });
  return html`<details class="more"><summary>${text("change.checks-sum", { n: well.length, of: checks.length })}</summary><ul class="changes">${rows}</ul></details>`;
}

function Steps({ plan }: { readonly plan: UpdatePlan }): VNode {
  return html`<ol class="plan-steps">${plan.steps.map(({ id, title, about }) => html`<li key=${id}><b>${title}</b><p class="quiet">${about}</p></li>`)}</ol>`;
}

type Download = UpdatePlan["downloads"][number];

function Costs({ plan }: { readonly plan: UpdatePlan }): VNode {
  const { downloads, downloadBytes, disk, unknownSizes, expectedMs, expectedFrom } = plan;
  const sum = { bytes: formatBytes(downloadBytes), time: formatEstimate(expectedMs) };
  const columns = [
    {
      key: "name",
      title: text("plan.name"),
      show: (row: Download) => html`<span title=${row.reference}>${row.name}</span>`,
    },
    {
      key: "size",
      title: text("plan.size"),
      show: (row: Download) => html`<${Bytes} value=${row.sizeBytes} />`,
      sortBy: (row: Download) => row.sizeBytes,
      end: true,
    },
  ];
  const label = text("plan.downloads", { n: downloads.length });
  return html`<p class="note quiet">${expectedFrom === "history" ? text("change.sum-history", sum) : text("change.sum", sum)}
      ${disk === null ? undefined : ` ${text("change.disk", { needed: formatBytes(disk.neededBytes), free: formatBytes(disk.freeBytes) })}`}
      ${unknownSizes.length === 0 ? undefined : ` ${text("change.sizes", { names: unknownSizes.join(", ") })}`}</p>
    ${downloads.length === 0 ? undefined : html`<details class="more"><summary>${label}</summary><${Table} label=${label} columns=${columns} rows=${downloads} keyOf=${(row: Download) => row.reference} /></details>`}`;
}
