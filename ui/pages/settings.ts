/** Settings of this box: what it is called, its management password, who is logged in, the colors of this browser. */
import { useState } from "preact/hooks";
import { formatAge } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { Choice } from "../parts/choice.ts";
import { ErrorSummary } from "../parts/error-summary.ts";
import { Facts } from "../parts/facts.ts";
import { PageTitle } from "../parts/page-title.ts";
import { SecretField } from "../parts/secret-field.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { deleteJson, type FieldProblem, fieldError, type Problem, postJson } from "../state/api.ts";
import { session, status } from "../state/live.ts";
import { usePolled } from "../state/poll.ts";
import { useStore } from "../state/store.ts";
import { chooseTheme, theme } from "../state/theme.ts";
import { showToast } from "../state/toasts.ts";
import type { OpenSession, SessionView } from "../state/wire.ts";
import { text } from "../strings.ts";

const SESSIONS_MS = 15_000;

/** Name and address belong to the installation and are shown; the rest can be changed here. */
export function SettingsPage(): VNode {
  const known = useStore(status);
  const who = useStore(session);
  const choice = useStore(theme);
  const facts = [
    { name: text("box.name"), value: known?.appliance.name ?? "" },
    { name: text("host.login"), value: known?.urls.login ?? "" },
  ].filter(({ value }) => value !== "");
  const themes = (["auto", "light", "dark"] as const).map((value) => ({ value, label: text(`theme.${value}`) }));
  return html`<${PageTitle} title=${text("nav.settings")} />
    <div class="columns">
      <div class="stack">
        ${who === null ? undefined : html`<${PasswordCard} policy=${who.passwordPolicy} />`}
        <${SessionsCard} />
      </div>
      <div class="stack">
        <${Card} title=${text("box.title")}>${known === null ? html`<${Skeleton} lines=${2} />` : html`<${Facts} items=${facts} />`}<//>
        <${Card} title=${text("settings.browser")}>
          <${Choice} name="theme" label=${text("settings.colors")} value=${choice} options=${themes} onChange=${chooseTheme} />
        <//>
      </div>
    </div>`;
}

/** Every other session ends with the old password: that is why one changes it. */
function PasswordCard({ policy }: { readonly policy: SessionView["passwordPolicy"] }): VNode {
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

/** Who is logged in, as far as it helps: how many, since when, and which one this is. */
function SessionsCard(): VNode {
  const [count, setCount] = useState(0);
  const { value } = usePolled<{ readonly sessions: readonly OpenSession[] }>(
    `/api/sessions?look=${count}`,
    SESSIONS_MS,
  );
  const end = async (): Promise<void> => {
    const answered = await deleteJson<{ readonly ended: number }>("/api/sessions");
    if (answered.ok) showToast(text("settings.sessions-ended", { n: answered.value.ended }));
    setCount((now) => now + 1);
  };
  const rows = (value?.sessions ?? []).map(({ current, openMs, idleMs }) => ({
    name: current ? text("settings.session-here") : text("settings.session-other"),
    value: text("settings.session-times", { open: formatAge(openMs), idle: formatAge(idleMs) }),
  }));
  return html`<${Card} title=${text("settings.sessions")}>
    ${value === undefined ? html`<${Skeleton} lines=${2} />` : html`<${Facts} items=${rows.map((row, index) => ({ ...row, key: String(index) }))} />`}
    ${rows.length > 1 ? html`<div class="buttons note"><${Button} onClick=${() => void end()}>${text("settings.sessions-end")}<//></div>` : undefined}
  <//>`;
}
