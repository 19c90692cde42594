/** Two deeds of the updates page: going back to the release before, and naming another one. */
import { useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { reviewPath } from "../model/updates.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { Dialog } from "../parts/dialog.ts";
import { Field } from "../parts/field.ts";
import { type Problem, postJson } from "../state/api.ts";
import { takeOperation } from "../state/live.ts";
import { navigate } from "../state/router.ts";
import type { UpdatesView } from "../state/update-wire.ts";
import type { OperationView } from "../state/wire.ts";
import { text } from "../strings.ts";

export interface ReturnProps {
  readonly previous: NonNullable<UpdatesView["previous"]>;
  readonly onStarted: () => void;
}

/** Asks first; where there is no way back, it says why. */
export function ReturnDeed({ previous, onStarted }: ReturnProps): VNode {
  const { version, canReturn, why } = previous;
  const [asks, setAsks] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  if (!canReturn) return html`<p class="quiet note">${why}</p>`;
  const go = async (): Promise<void> => {
    setAsks(false);
    setBusy(true);
    const answered = await postJson<{ operation: OperationView }>("/api/updates/rollback");
    setBusy(false);
    setProblem(answered.ok ? undefined : answered.problem);
    if (!answered.ok) return;
    takeOperation(answered.value.operation);
    onStarted();
    navigate(`/operations/${answered.value.operation.id}`);
  };
  return html`<div class="buttons note"><${Button} busy=${busy} onClick=${() => setAsks(true)}>${text("updates.return", { version })}<//></div>
    <div role="alert">${problem === undefined ? undefined : html`<${Cause} what=${problem.detail} next=${problem.hint} />`}</div>
    <${Dialog} open=${asks} title=${text("updates.return-title", { version })} about=${text("updates.return-about")}
      deed=${text("updates.return", { version })} danger onDeed=${() => void go()} onClose=${() => setAsks(false)} />`;
}

/** Leads to the plan of a release that somebody names; the box judges the name. */
export function OtherRelease(): VNode {
  const [named, setNamed] = useState("");
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (named.trim() !== "") navigate(reviewPath(named));
  };
  return html`<${Card} title=${text("updates.other")}>
    <form novalidate autocomplete="off" onSubmit=${submit}>
      <${Field} name="release" label=${text("updates.other-label")} help=${text("updates.other-help")} value=${named} onInput=${setNamed} mono />
      <div class="buttons note"><${Button} type="submit">${text("updates.to-plan")}<//></div>
    </form>
  <//>`;
}
