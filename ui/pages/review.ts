/** This is what will happen: steps, contents, bytes and minutes, before anything is changed. */
import { useEffect, useState } from "preact/hooks";
import { asSentence, formatBytes, formatEstimate } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { planRows } from "../model/plan-rows.ts";
import { isUnverified } from "../model/verified.ts";
import { passwordMissing, WIZARD } from "../model/wizard.ts";
import { Button } from "../parts/button.ts";
import { Bytes } from "../parts/bytes.ts";
import { Cause } from "../parts/cause.ts";
import { ErrorSummary } from "../parts/error-summary.ts";
import { Link } from "../parts/link.ts";
import { Pill } from "../parts/pill.ts";
import { ReviewTable } from "../parts/review-table.ts";
import { Table } from "../parts/table.ts";
import { Verified } from "../parts/verified.ts";
import { answers, forgetAnswers, secrets, toDocument } from "../state/answers.ts";
import { type FieldProblem, fieldError, type Problem, postJson } from "../state/api.ts";
import { takeOperation } from "../state/live.ts";
import { navigate } from "../state/router.ts";
import { useStore } from "../state/store.ts";
import type { OperationView, SetupConfig, SetupPlan } from "../state/wire.ts";
import { text } from "../strings.ts";
import { PasswordAnswers } from "./organisation.ts";
import { Sheet } from "./sheet.ts";
import { goToWrong, useCheck } from "./use-check.ts";

const ALL_FIELDS = WIZARD.flatMap((step) => step.fields);

/** The step that shows the plan and starts exactly that plan. */
export function ReviewPage({ config }: { readonly config: SetupConfig }): VNode {
  const typed = useStore(secrets);
  const [needsPassword] = useState(() => passwordMissing(typed, config.secretsKept));
  const { plan, problem, ask } = usePlan();
  const { busy, refusal, errors, attempt, install } = useInstall(plan);
  const foot = html`<${Link} to="/setup/organisation" button="normal">${text("wizard.back")}<//>
    ${
      plan === undefined
        ? undefined
        : html`<${Button} kind="primary" type="submit" busy=${busy}>${text("review.deed", { version: plan.release.version })}<//>`
    }`;
  return html`<${Sheet} title=${text("review.title")} lead=${text("review.lead")} onSubmit=${() => void install()} foot=${foot}>
    <${ErrorSummary} items=${errors} attempt=${attempt} />
    <div aria-live="polite">
      ${plan === undefined && problem === undefined ? html`<p class="note"><${Pill} tone="progressing" label=${text("review.asking")} /></p>` : undefined}
      ${problem === undefined ? undefined : html`<${PlanProblem} problem=${problem} onAgain=${ask} />`}
    </div>
    ${plan === undefined ? undefined : html`<${PlanView} plan=${plan} />`}
    ${needsPassword ? html`<${PasswordAgain} config=${config} errors=${errors} />` : undefined}
    ${refusal === undefined ? undefined : html`<div role="alert"><${Cause} what=${refusal.detail} next=${refusal.hint} /></div>`}
  <//>`;
}

/** Asks the box for the plan; a wrong answer leads back to where it was given. */
function usePlan() {
  const [plan, setPlan] = useState<SetupPlan | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const ask = async (): Promise<void> => {
    const answered = await postJson<SetupPlan>("/api/setup/plan", toDocument(ALL_FIELDS));
    if (answered.ok) {
      setPlan(answered.value);
      setProblem(undefined);
      return;
    }
    const elsewhere = answered.problem.errors.filter(
      (entry) => !isPassword(entry) || secrets.get().adminPassword !== "",
    );
    const decided = answered.problem.code === "trust/expired" ? [...elsewhere, toDecide(answered.problem)] : elsewhere;
    if (decided.length === 0 || !goToWrong(decided)) setProblem(answered.problem);
  };
  useEffect(() => void ask(), []);
  return { plan, problem, ask };
}

/** Expired metadata is no wrong answer, but an answer decides about it. */
function toDecide({ code, detail }: Problem): FieldProblem {
  return { field: "acceptExpired", code, detail: asSentence(detail) };
}

/** Starts the installation that was shown: the plan's digest goes with it, so no other one can begin. */
function useInstall(plan: SetupPlan | undefined) {
  const [busy, setBusy] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const [refusal, setRefusal] = useState<Problem | undefined>(undefined);
  const install = async (): Promise<void> => {
    if (busy || plan === undefined) return;
    setBusy(true);
    const body = { ...toDocument(ALL_FIELDS), planDigest: plan.digest };
    const answered = await postJson<{ operation: OperationView }>("/api/setup", body);
    setBusy(false);
    setAttempt((count) => count + 1);
    if (answered.ok) {
      takeOperation(answered.value.operation);
      forgetAnswers();
      navigate("/setup/install");
      return;
    }
    const elsewhere = answered.problem.errors.filter((entry) => !isPassword(entry));
    if (elsewhere.length === 0 || !goToWrong(elsewhere)) setRefusal(answered.problem);
  };
  const errors = (refusal?.errors ?? []).filter(isPassword);
  return { busy, attempt, errors, install, refusal: errors.length > 0 ? undefined : refusal };
}

function isPassword(entry: FieldProblem): boolean {
  return entry.field === "adminPassword" || entry.field === "adminPasswordConfirm";
}

/** The page was loaded anew: secrets are never kept in the browser, so the password is asked for here. */
function PasswordAgain({
  config,
  errors,
}: {
  readonly config: SetupConfig;
  readonly errors: readonly FieldProblem[];
}): VNode {
  const check = useCheck("review");
  const errorOf = (field: string): string | undefined => fieldError(errors, field);
  return html`<h2 class="part-title">${text("review.password-again")}</h2>
    <p class="quiet">${text("review.password-why")}</p>
    <${PasswordAnswers} config=${config} check=${{ ...check, errorOf }} />`;
}

function PlanProblem({
  problem,
  onAgain,
}: {
  readonly problem: Problem;
  readonly onAgain: () => Promise<void>;
}): VNode {
  return html`<${Cause} what=${text("review.no-plan")} seen=${problem.detail} next=${problem.hint}>
    <${Button} kind="primary" small onClick=${() => void onAgain()}>${text("review.ask-again")}<//>
  <//>`;
}

type Download = SetupPlan["downloads"][number];
type Change = SetupPlan["changes"][number];

function PlanView({ plan }: { readonly plan: SetupPlan }): VNode {
  const given = useStore(answers);
  const downloads = [
    {
      key: "name",
      title: text("plan.name"),
      show: (row: Download) => html`<span title=${row.reference}>${row.name}</span>`,
      sortBy: (row: Download) => row.name,
    },
    {
      key: "size",
      title: text("plan.size"),
      show: (row: Download) => html`<${Bytes} value=${row.sizeBytes} />`,
      sortBy: (row: Download) => row.sizeBytes,
      end: true,
    },
  ];
  const changes = [
    { key: "kind", title: text("plan.kind"), show: (row: Change) => row.kind, sortBy: (row: Change) => row.kind },
    {
      key: "name",
      title: text("plan.name"),
      show: (row: Change) => html`<span class="mono">${objectName(row)}</span>`,
      sortBy: objectName,
    },
    { key: "action", title: text("plan.action"), show: (row: Change) => row.action, end: true },
  ];
  return html`<${ReviewTable} rows=${planRows(plan, given)} />
    ${isUnverified(plan.release.verifiedBy) ? undefined : html`<${Verified} by=${plan.release.verifiedBy} />`}
    <p class="note quiet">${text("plan.sum", { bytes: formatBytes(plan.totalBytes), time: formatEstimate(plan.expectedMs) })}</p>
    ${plan.warnings.map((warning) => html`<p class="warning" key=${warning}><${Pill} tone="attention" icon="alert" label=${warning} /></p>`)}
    <details class="more"><summary>${text("plan.downloads", { n: plan.downloads.length })}</summary>
      <${Table} label=${text("plan.downloads", { n: plan.downloads.length })} columns=${downloads} rows=${plan.downloads} keyOf=${(row: Download) => row.reference} />
    </details>
    <details class="more"><summary>${text("plan.changes", { n: plan.changes.length })}</summary>
      <${Table} label=${text("plan.changes", { n: plan.changes.length })} columns=${changes} rows=${plan.changes}
        keyOf=${(row: Change) => `${row.kind}/${objectName(row)}`} />
    </details>`;
}

function objectName(change: Change): string {
  return change.namespace ? `${change.namespace}/${change.name}` : change.name;
}
