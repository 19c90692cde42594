/** Why an installation stopped or waits, and at most two buttons, the right one first. */
import { asSentence, formatEstimate } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { stepOfField, type WizardStep } from "../model/wizard.ts";
import { Button } from "../parts/button.ts";
import { Cause } from "../parts/cause.ts";
import { Link } from "../parts/link.ts";
import { refreshConfig, status } from "../state/live.ts";
import { navigate } from "../state/router.ts";
import { useStore } from "../state/store.ts";
import type { Check, OperationView } from "../state/wire.ts";
import { text } from "../strings.ts";
import { HelpLink } from "./help.ts";
import { foundElsewhere } from "./use-check.ts";
import { useOperationDeed } from "./use-operation-deed.ts";

export interface TroubleProps {
  readonly run: OperationView;
  /** The box's time in milliseconds. */
  readonly now: number;
}

/** The cause of the stop with its buttons; where a check tells it better than the operation, in the words of the check. */
export function Trouble({ run, now }: TroubleProps): VNode {
  const { problem } = run;
  const wait = problem?.nextAttemptAt
    ? text("install.next-attempt", { time: formatEstimate(Math.max(1_000, Date.parse(problem.nextAttemptAt) - now)) })
    : undefined;
  const check = useStore(status)?.checks.find((one) => stopped(one, run));
  const [what, seen] =
    check === undefined
      ? [problem?.message ?? text(run.state === "paused" ? "install.paused-about" : "install.cancelled-about"), wait]
      : [check.title, [asSentence(check.cause), wait ?? ""].join(" ").trim()];
  return html`<${Cause} tone=${run.state === "blocked" || run.state === "failed" ? "failed" : "attention"}
    what=${what} seen=${seen} evidence=${check?.evidence ?? problem?.evidence ?? []} next=${check?.next ?? problem?.hint}>
    <${Deeds} run=${run} />
    ${check === undefined ? undefined : html`<${HelpLink} check=${check} />`}
  <//>`;
}

/** Whether a check is what the operation stopped at: by its code, or because the status says that it explains the stop. */
function stopped({ code, state, explains = [] }: Check, run: OperationView): boolean {
  return state === "failed" && (code === run.problem?.code || explains.includes(`operation/${run.state}`));
}

function Deeds({ run }: { readonly run: OperationView }): VNode {
  switch (run.state) {
    case "cancelled":
    case "failed":
      return html`<${StartAnew} />`;
    case "waiting":
    case "paused":
    case "blocked":
      return html`<${Mend} run=${run} />`;
    default:
      return html`<${Link} to="/" button="normal" small>${text("install.to-overview")}<//>`;
  }
}

/** An operation that has ended is not resumed: a new one shows what will happen, and skips what is done. */
function StartAnew(): VNode {
  const review = (): Promise<void> => refreshConfig().then(() => navigate("/setup/review"));
  return html`<${Button} kind="primary" small onClick=${() => void review()}>${text("install.go-on")}<//>
    <${Link} to="/setup/release" button="normal" small>${text("install.change")}<//>`;
}

/**
 * Corrects the answer that is wrong, or tries again; also the buttons of the cause on the overview. When only another
 * answer helps, trying again is not offered.
 */
export function Mend({ run }: { readonly run: OperationView }): VNode {
  const { deed, busy, refusal } = useOperationDeed(run);
  const { problem } = run;
  const step = problem?.fields.map(stepOfField).find((found) => found !== undefined);
  const corrects = step === undefined ? undefined : correction(run, step);
  const resumes = html`<${Button} kind=${step === undefined ? "primary" : undefined} small busy=${busy} onClick=${() => void deed("resume")}>
    ${resumeWord(run)}<//>`;
  return html`${corrects}${step !== undefined && problem?.retrySafe === false ? undefined : resumes}
    ${refusal === undefined ? undefined : html`<p role="alert">${refusal.detail}</p>`}`;
}

/** The answers belong to the installation; an update takes another release. */
function correction(run: OperationView, step: WizardStep): VNode {
  if (run.kind === "setup") return html`<${Correct} run=${run} step=${step} />`;
  return html`<${Link} to="/updates" button="primary" small>${text("install.other-release")}<//>`;
}

/** Leads to the step of the wizard whose answer is wrong, and says there what was found. */
function Correct({ run, step }: { readonly run: OperationView; readonly step: WizardStep }): VNode {
  const { problem } = run;
  const correct = (): void => {
    if (problem === null) return;
    const fields = problem.fields.filter((field) => stepOfField(field) === step).slice(0, 1);
    foundElsewhere.set(fields.map((field) => ({ field, code: problem.code, detail: asSentence(problem.message) })));
    void refreshConfig();
    navigate(step.path);
  };
  const isExpired = problem?.fields.includes("acceptExpired") === true;
  const other = text(isExpired ? "install.decide-expired" : "install.other-release");
  const word = step.id === "release" ? other : text("install.correct", { step: text(step.name) });
  return html`<${Button} kind="primary" small onClick=${correct}>${word}<//>`;
}

/** Names what going on means: at once, again, or after something was mended outside. */
function resumeWord(run: OperationView): string {
  if (run.state === "waiting") return text("install.now");
  if (run.state === "paused") return text("install.go-on");
  return run.problem?.retrySafe === false ? text("install.go-on") : text("install.again");
}
