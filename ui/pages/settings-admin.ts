/** A new password for the administrator of setup, where it was forgotten. */
import { useEffect, useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { ErrorSummary } from "../parts/error-summary.ts";
import { SecretField } from "../parts/secret-field.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { fieldError, getJson, type Problem, postJson } from "../state/api.ts";
import { navigate } from "../state/router.ts";
import type { AdminPasswordView, PasswordPolicy, StartedView } from "../state/wire.ts";
import { text } from "../strings.ts";

const PATH = "/api/settings/admin-password";
/** The box says "password"; the page has another field of that name. */
const FIELDS: Readonly<Record<string, string>> = { password: "admin-password", passwordConfirm: "admin-again" };

/** Says whose password it is, or why it cannot be set from here. */
export function AdminCard({ policy }: { readonly policy: PasswordPolicy }): VNode {
  const form = useAdminPassword();
  const { view, problem } = form;
  if (view === undefined)
    return html`<${Card} title=${text("admin-password.title")}>${
      problem === undefined
        ? html`<${Skeleton} lines=${4} />`
        : html`<${Cause} what=${problem.detail} next=${problem.hint} />`
    }<//>`;
  if (!view.available)
    return html`<${Card} title=${text("admin-password.title")}><p class="quiet">${text("admin-password.not-now")} ${view.reason}</p><//>`;
  const errors = (problem?.errors ?? []).map((one) => ({ ...one, field: FIELDS[one.field] ?? one.field }));
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    void form.set();
  };
  return html`<${Card} title=${text("admin-password.title")}>
    <form novalidate autocomplete="off" onSubmit=${submit}>
      <p class="quiet">${text("admin-password.about", { email: view.email ?? "" })}</p>
      <${ErrorSummary} items=${errors} attempt=${form.attempt} />
      <${SecretField} name="admin-password" label=${text("admin-password.new")} help=${text("password.help", { n: policy.minLength })} rules=${policy.rules}
        value=${form.password} onInput=${form.typePassword} error=${fieldError(errors, "admin-password")} autocomplete="new-password"
        strength=${{ minLength: policy.minLength, known: [view.email ?? "", "alga", "appliance", "password"] }} />
      <${SecretField} name="admin-again" label=${text("password.again")} value=${form.again} onInput=${form.typeAgain}
        error=${fieldError(errors, "admin-again")} autocomplete="new-password" />
      <div role="alert">${problem === undefined || errors.length > 0 ? undefined : html`<${Cause} what=${problem.detail} next=${problem.hint} />`}</div>
      <div class="buttons note"><${Button} kind="primary" type="submit" busy=${form.busy}>${text("admin-password.deed")}<//></div>
    </form>
  <//>`;
}

/** Both fields, the call, and what the box has against it. */
function useAdminPassword() {
  const [view, setView] = useState<AdminPasswordView | undefined>(undefined);
  const [password, typePassword] = useState("");
  const [again, typeAgain] = useState("");
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    void getJson<AdminPasswordView>(PATH).then((answered) => {
      if (answered.ok) setView(answered.value);
      else setProblem(answered.problem);
    });
  }, []);
  const set = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    const answered = await postJson<StartedView>(PATH, { password, passwordConfirm: again });
    setBusy(false);
    setAttempt((count) => count + 1);
    setProblem(answered.ok ? undefined : answered.problem);
    if (answered.ok) navigate(`/operations/${answered.value.operation.id}`);
  };
  return { view, password, typePassword, again, typeAgain, problem, busy, attempt, set };
}
