/** Why an installation stopped or waits, and at most two buttons, the right one first. */
import { formatEstimate } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { stepOfField } from "../model/wizard.ts";
import { Button } from "../parts/button.ts";
import { Cause } from "../parts/cause.ts";
import { Link } from "../parts/link.ts";
import { refreshConfig } from "../state/live.ts";
import { navigate } from "../state/router.ts";
import type { OperationView } from "../state/wire.ts";
import { text } from "../strings.ts";
import { foundElsewhere } from "./use-check.ts";
import { useOperationDeed } from "./use-operation-deed.ts";

export interface TroubleProps {
  readonly run: OperationView;
  /** The box's time in milliseconds. */
  readonly now: number;
}

export function Trouble({ run, now }: TroubleProps): VNode {
  const { problem } = run;
  const wait = problem?.nextAttemptAt
    ? text("install.next-attempt", { time: formatEstimate(Math.max(1_000, Date.parse(problem.nextAttemptAt) - now)) })
    : undefined;
  return html`<${Cause} tone=${run.state === "blocked" || run.state === "failed" ? "failed" : "attention"}
    what=${problem?.message ?? text("install.cancelled-about")} seen=${wait} evidence=${problem?.evidence ?? []} next=${problem?.hint}>
    <${Deeds} run=${run} />
  <//>`;
}

function Deeds({ run }: { readonly run: OperationView }): VNode {
  switch (run.state) {
    case "cancelled":
    case "failed":
      return html`<${StartAnew} />`;
    case "waiting":
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

/** Corrects the answer that is wrong, or tries again. When only another answer helps, trying again is not offered. */
function Mend({ run }: { readonly run: OperationView }): VNode {
  const { deed, busy, refusal } = useOperationDeed(run);
  const { problem } = run;
  const step = problem?.fields.map(stepOfField).find((found) => found !== undefined);
  const correct = (): void => {
    if (step === undefined || problem === null) return;
    foundElsewhere.set(problem.fields.map((field) => ({ field, code: problem.code, detail: problem.message })));
    void refreshConfig();
    navigate(step.path);
  };
  const corrects =
    step === undefined
      ? undefined
      : html`<${Button} kind="primary" small onClick=${correct}>${text("install.correct", { step: text(step.name) })}<//>`;
  const resumes = html`<${Button} kind=${step === undefined ? "primary" : undefined} small busy=${busy} onClick=${() => void deed("resume")}>
    ${resumeWord(run)}<//>`;
  return html`${corrects}${step !== undefined && problem?.retrySafe === false ? undefined : resumes}
    ${refusal === undefined ? undefined : html`<p role="alert">${refusal.detail}</p>`}`;
}

/** Names what going on means: at once, again, or after something was mended outside. */
function resumeWord(run: OperationView): string {
  if (run.state === "waiting") return text("install.now");
  return run.problem?.retrySafe === false ? text("install.go-on") : text("install.again");
}
