/** Before the wizard: the setup token, the management password, the login. Says so plainly when the box is locked. */
import { useEffect, useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { tidyToken } from "../model/token.ts";
import { Button } from "../parts/button.ts";
import { Cause } from "../parts/cause.ts";
import { ErrorSummary } from "../parts/error-summary.ts";
import { Field } from "../parts/field.ts";
import { SecretField } from "../parts/secret-field.ts";
import { type Answered, type FieldProblem, fieldError, type Problem, postJson } from "../state/api.ts";
import { refreshSession } from "../state/live.ts";
import { usePlace } from "../state/router.ts";
import type { SessionView } from "../state/wire.ts";
import { type PlainKey, text } from "../strings.ts";
import { LineNote } from "./gate-line.ts";
import { Sheet } from "./sheet.ts";
import { GateShell } from "./shells.ts";

/** The form that this session needs next: token, management password, or login. */
export function GatePage({ session }: { readonly session: SessionView }): VNode {
  const body = session.claimed
    ? html`<${LoginForm} />`
    : session.tokenAccepted === true
      ? html`<${PasswordForm} policy=${session.passwordPolicy} />`
      : html`<${TokenForm} />`;
  const { problem } = session;
  return html`<${GateShell}>
    <${LineNote} session=${session} />
    ${problem ? html`<${Cause} what=${problem.message} next=${problem.hint} />` : undefined}${body}
  <//>`;
}

/** What a form of the gate shares: one call, its problem, the fields it names. */
function useDeed(run: () => Promise<Answered<unknown>>) {
  const [busy, setBusy] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const submit = async (local: readonly FieldProblem[] = []): Promise<void> => {
    if (busy) return;
    setBusy(true);
    const answered = local.length > 0 ? refused(local) : await run();
    setBusy(false);
    setAttempt((count) => count + 1);
    setProblem(answered.ok ? undefined : answered.problem);
    if (answered.ok) await refreshSession();
  };
  const errorOf = (field: string): string | undefined => fieldError(problem?.errors ?? [], field);
  return { busy, attempt, problem, submit, errorOf };
}

function refused(errors: readonly FieldProblem[]): Answered<unknown> {
  return { ok: false, problem: { code: "ui/refused", status: 0, title: "", detail: "", errors } };
}

/** Why the link from the screen of the box did not open it. */
const LINK_PROBLEMS: Readonly<Record<string, PlainKey>> = {
  "wrong-token": "token.link-wrong",
  locked: "gate.locked",
  claimed: "token.link-claimed",
};

function TokenForm(): VNode {
  const [token, setToken] = useState("");
  const link = usePlace().query.get("problem");
  const deed = useDeed(() => postJson("/api/session", { token: tidyToken(token) }));
  const missing = { field: "token", code: "missing", detail: text("token.missing") };
  return html`<${Sheet} title=${text("token.title")} lead=${text("token.lead")}
    onSubmit=${() => void deed.submit(tidyToken(token) === "" ? [missing] : [])}
    foot=${html`<${Button} kind="primary" type="submit" busy=${deed.busy}>${text("token.deed")}<//>`}>
    <${Field} name="token" label=${text("token.label")} help=${text("token.help")} value=${token} onInput=${setToken} error=${deed.errorOf("token")} />
    ${link !== null && deed.attempt === 0 ? html`<${Cause} tone="attention" what=${text(LINK_PROBLEMS[link] ?? "token.link-unavailable")} />` : undefined}
    <${Refusal} problem=${deed.problem} />
    <${ErrorSummary} items=${deed.problem?.errors ?? []} attempt=${deed.attempt} />
  <//>`;
}

function PasswordForm({ policy }: { readonly policy: SessionView["passwordPolicy"] }): VNode {
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const deed = useDeed(() => postJson("/api/session/claim", { password }));
  const local = again === password ? [] : [{ field: "again", code: "different", detail: text("password.different") }];
  return html`<${Sheet} title=${text("password.title")} lead=${text("password.lead")}
    onSubmit=${() => void deed.submit(local)}
    foot=${html`<${Button} kind="primary" type="submit" busy=${deed.busy}>${text("password.deed")}<//>`}>
    <${SecretField} name="password" label=${text("password.label")} help=${text("password.help", { n: policy.minLength })} rules=${policy.rules}
      value=${password} onInput=${setPassword} error=${deed.errorOf("password")} autocomplete="new-password"
      strength=${{ minLength: policy.minLength, known: ["alga", "appliance", "password"] }} />
    <${SecretField} name="again" label=${text("password.again")} value=${again} onInput=${setAgain}
      error=${deed.errorOf("again")} autocomplete="new-password" />
    <${Refusal} problem=${deed.problem} />
    <${ErrorSummary} items=${deed.problem?.errors ?? []} attempt=${deed.attempt} />
  <//>`;
}

function LoginForm(): VNode {
  const [password, setPassword] = useState("");
  const deed = useDeed(() => postJson("/api/session", { password }));
  return html`<${Sheet} title=${text("login.title")} lead=${text("login.lead")} onSubmit=${() => void deed.submit()}
    foot=${html`<${Button} kind="primary" type="submit" busy=${deed.busy}>${text("login.deed")}<//>`}>
    <${SecretField} name="password" label=${text("login.label")} value=${password} onInput=${setPassword}
      error=${deed.errorOf("password")} autocomplete="current-password" />
    <${Refusal} problem=${deed.problem} />
    <${ErrorSummary} items=${deed.problem?.errors ?? []} attempt=${deed.attempt} />
  <//>`;
}

/** A refusal that belongs to no field, read out at once; a locked box says until when. */
function Refusal({ problem }: { readonly problem: Problem | undefined }): VNode {
  const shown = problem !== undefined && problem.errors.length === 0 ? problem : undefined;
  useEffect(() => {
    if (shown !== undefined) document.querySelector<HTMLInputElement>(".sheet input")?.focus();
  }, [shown]);
  const cause =
    shown === undefined
      ? undefined
      : html`<${Cause} tone=${shown.status === 429 ? "attention" : "failed"} what=${shown.status === 429 ? text("gate.locked") : shown.detail}
        seen=${shown.status === 429 ? shown.detail : undefined} next=${shown.hint} />`;
  return html`<div role="alert">${cause}</div>`;
}
