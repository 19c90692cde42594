/** The foot of a wizard step, its problems, and how its answers are typed. */
import { html, type VNode } from "../html.ts";
import { previousPath, type StepId } from "../model/wizard.ts";
import { Button } from "../parts/button.ts";
import { Cause } from "../parts/cause.ts";
import { ErrorSummary } from "../parts/error-summary.ts";
import { Link } from "../parts/link.ts";
import { answer } from "../state/answers.ts";
import type { FieldName } from "../state/wire.ts";
import { text } from "../strings.ts";
import { type Check, clearWrong } from "./use-check.ts";

/** Back is a link, Continue asks the box. */
export function StepFoot({ step, check }: { readonly step: StepId; readonly check: Check }): VNode {
  return html`<${Link} to=${previousPath(step)} button="normal">${text("wizard.back")}<//>
    <${Button} kind="primary" type="submit" busy=${check.busy}>${text("wizard.continue")}<//>`;
}

/** What is wrong with the answers of a step, or that the box could not be asked. */
export function StepProblems({ check }: { readonly check: Check }): VNode {
  return html`<${ErrorSummary} items=${check.errors} attempt=${check.attempt} />
    <div role="alert">
      ${check.silent ? html`<${Cause} tone="attention" what=${text("problem.silent")} seen=${text("wizard.kept")} />` : undefined}
    </div>`;
}

/** Takes a typed answer. */
export function change(field: FieldName, value: string): void {
  clearWrong(field);
  answer(field, value);
}
