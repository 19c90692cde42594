/** The name of this appliance: shown on every screen of it, and changed here at once. */
import { useEffect, useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { ErrorSummary } from "../parts/error-summary.ts";
import { Field } from "../parts/field.ts";
import { type Answered, fieldError, getJson, type Problem, putJson } from "../state/api.ts";
import { showToast } from "../state/toasts.ts";
import type { NameAnswer } from "../state/wire.ts";
import { text } from "../strings.ts";

const PATH = "/api/settings/name";

/** An empty field means the name of the host. The form stands before its value comes, so that nothing jumps. */
export function NameCard(): VNode {
  const form = useName();
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    void form.keep();
  };
  const errors = form.problem?.errors ?? [];
  return html`<${Card} title=${text("settings.name")}>
    <form novalidate autocomplete="off" onSubmit=${submit}>
      <p class="quiet">${text("settings.name-about")}</p>
      <${ErrorSummary} items=${errors} attempt=${form.attempt} />
      <${Field} name="name" label=${text("box.name")} help=${text("settings.name-help")} value=${form.typed ?? ""} onInput=${form.type}
        error=${fieldError(errors, "name")} maxLength=${200} />
      <div role="alert">${form.problem === undefined || errors.length > 0 ? undefined : html`<${Cause} what=${form.problem.detail} next=${form.problem.hint} />`}</div>
      <div class="buttons note"><${Button} kind="primary" type="submit" busy=${form.busy}>${text("settings.name-deed")}<//></div>
    </form>
  <//>`;
}

/** What is typed, the call, and what the box has against it. */
function useName() {
  const [typed, type] = useState<string | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const take = (answered: Answered<NameAnswer>): void => {
    setProblem(answered.ok ? undefined : answered.problem);
    if (answered.ok) type(answered.value.name);
  };
  useEffect(() => void getJson<NameAnswer>(PATH).then(take), []);
  const keep = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    const answered = await putJson<NameAnswer>(PATH, { name: typed ?? "" });
    setBusy(false);
    setAttempt((count) => count + 1);
    take(answered);
    if (answered.ok) showToast(text("settings.name-done", { name: answered.value.name }));
  };
  return { typed, type, busy, attempt, problem, keep };
}
