/** The management password: the one now, the new one twice. */
import { useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { ErrorSummary } from "../parts/error-summary.ts";
import { SecretField } from "../parts/secret-field.ts";
import { type FieldProblem, fieldError, type Problem, postJson } from "../state/api.ts";
import { showToast } from "../state/toasts.ts";
import type { SessionView } from "../state/wire.ts";
import { text } from "../strings.ts";

/** Every other session ends with the old password: that is why one changes it. */
export function PasswordCard({ policy }: { readonly policy: SessionView["passwordPolicy"] }): VNode {
  const form = usePasswordChange();
  const { old, next, again, errorOf } = form;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    void form.change();
  };
  return html`<${Card} title=${text("settings.password")}>
    <form novalidate autocomplete="off" onSubmit=${submit}>
      <p class="quiet">${text("settings.password-about")}</p>
      <${ErrorSummary} items=${form.errors} attempt=${form.attempt} />
      <${SecretField} name="password" label=${text("settings.password-old")} value=${old.value} onInput=${old.set}
        error=${errorOf("password")} autocomplete="current-password" />
      <${SecretField} name="next" label=${text("settings.password-new")} help=${text("password.help", { n: policy.minLength })} rules=${policy.rules}
        value=${next.value} onInput=${next.set} error=${errorOf("next")} autocomplete="new-password"
        strength=${{ minLength: policy.minLength, known: ["alga", "appliance", "password"] }} />
      <${SecretField} name="again" label=${text("password.again")} value=${again.value} onInput=${again.set}
        error=${errorOf("again")} autocomplete="new-password" />
      <div role="alert">${form.refusal === undefined ? undefined : html`<${Cause} what=${form.refusal.detail} next=${form.refusal.hint} />`}</div>
      <div class="buttons note"><${Button} kind="primary" type="submit" busy=${form.busy}>${text("settings.password-deed")}<//></div>
    </form>
  <//>`;
}

function useInput() {
  const [value, set] = useState("");
  return { value, set };
}

/** The three fields, the call, and what the box has against it. */
function usePasswordChange() {
  const [old, next, again] = [useInput(), useInput(), useInput()];
  const [busy, setBusy] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const change = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    const answered =
      next.value === again.value
        ? await postJson("/api/session/password", { password: old.value, next: next.value })
        : { ok: false as const, problem: different() };
    setBusy(false);
    setAttempt((count) => count + 1);
    setProblem(answered.ok ? undefined : answered.problem);
    if (!answered.ok) return;
    for (const input of [old, next, again]) input.set("");
    showToast(text("settings.password-done"));
  };
  const errors = problem === undefined ? [] : errorsOf(problem);
  const errorOf = (field: string): string | undefined => fieldError(errors, field);
  return { old, next, again, busy, attempt, change, errors, errorOf, refusal: errors.length > 0 ? undefined : problem };
}

function different(): Problem {
  const errors = [{ field: "again", code: "different", detail: text("password.different") }];
  return { code: "ui/refused", status: 0, title: "", detail: "", errors };
}

/** The box judges "the password"; here there are two, and a weak one is the new one. */
function errorsOf(problem: Problem): readonly FieldProblem[] {
  if (problem.code === "session/weak-password") return problem.errors.map((one) => ({ ...one, field: "next" }));
  if (problem.code === "session/wrong-password") return [{ field: "password", code: "wrong", detail: problem.detail }];
  return problem.errors;
}
