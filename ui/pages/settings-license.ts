/** The license: paste another key or write an install code, look what it says, then have the application take it as an operation. */
import { useEffect, useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { ErrorSummary } from "../parts/error-summary.ts";
import { Facts } from "../parts/facts.ts";
import { SecretField } from "../parts/secret-field.ts";
import { fieldError, getJson, type Problem, postJson } from "../state/api.ts";
import { navigate } from "../state/router.ts";
import type { LicenseFacts, LicensePlan, LicenseView, StartedView } from "../state/wire.ts";
import { text } from "../strings.ts";

const PATH = "/api/settings/license";
/** The box says "licenseKey" and "installCode"; fields are named in the page's own way. */
const KEY_FIELD = "license-key";
const CODE_FIELD = "install-code";

/** Nothing is changed before the key or the code was looked at. */
export function LicenseCard(): VNode | undefined {
  const form = useLicense();
  const { view, plan, problem } = form;
  if (view === undefined && problem === undefined) return undefined;
  if (view === undefined)
    return html`<${Card} title=${text("license.title")}><${Cause} what=${problem?.detail ?? ""} next=${problem?.hint} /><//>`;
  if (!view.available)
    return html`<${Card} title=${text("license.title")}><p class="quiet">${text("license.not-now")} ${view.reason}</p><//>`;
  const fieldOf = (field: string): string => (field === "installCode" ? CODE_FIELD : KEY_FIELD);
  const errors = (problem?.errors ?? []).map((one) => ({ ...one, field: fieldOf(one.field) }));
  const { licenseKey, installCode } = form.typed;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    void form.look(installCode === "" ? { licenseKey } : form.typed);
  };
  return html`<${Card} title=${text("license.title")}>
    <form novalidate autocomplete="off" onSubmit=${submit}>
      <p class="quiet">${text("license.about")}</p>
      <${Facts} items=${[{ name: text("license.now"), value: view.now === null ? text("license.none") : words(view.now) }]} />
      <${ErrorSummary} items=${errors} attempt=${form.attempt} />
      <${SecretField} name=${KEY_FIELD} label=${text("license.label")} help=${text("license.help")} value=${licenseKey}
        onInput=${form.type("licenseKey")} error=${fieldError(errors, KEY_FIELD)} autocomplete="off" />
      <${SecretField} name=${CODE_FIELD} label=${text("license.code-label")} help=${text("license.code-help")} value=${installCode}
        onInput=${form.type("installCode")} error=${fieldError(errors, CODE_FIELD)} autocomplete="off" />
      <div role="alert">${problem === undefined || errors.length > 0 ? undefined : html`<${Cause} what=${problem.detail} next=${problem.hint} />`}</div>
      ${plan === undefined ? html`<${Ask} form=${form} view=${view} />` : html`<${Review} form=${form} plan=${plan} />`}
    </form>
  <//>`;
}

interface PartProps {
  readonly form: LicenseForm;
}

function Ask({ form, view }: PartProps & { readonly view: LicenseView }): VNode {
  const { former } = view;
  return html`<div class="buttons note">
    <${Button} kind="primary" type="submit" busy=${form.busy}>${text("license.look")}<//>
    ${
      former === null
        ? undefined
        : html`<${Button} onClick=${() => void form.look({ former: true })}>${text("license.former", { facts: words(former) })}<//>`
    }
  </div>`;
}

/** What the key says, or the code is good for, and the deed. */
function Review({ form, plan }: PartProps & { readonly plan: LicensePlan }): VNode {
  const isCode = plan.by === "code";
  const name = text(isCode ? "license.code-to" : "license.to");
  return html`<section aria-label=${name}>
    <${Facts} items=${[{ name, value: plan.to === null ? text("license.code-unknown") : words(plan.to) }]} />
    ${plan.warnings.map((warning) => html`<${Cause} key=${warning} tone="attention" what=${warning} />`)}
    <div class="buttons note">
      <${Button} kind="primary" busy=${form.busy} onClick=${() => void form.apply(plan)}>${text(isCode ? "license.code-deed" : "license.deed")}<//>
      <${Button} onClick=${form.forget}>${text("license.back")}<//>
    </div>
  </section>`;
}

/** "pro, until 2027-03-01". */
function words({ edition, expiresAt, perpetual, state }: LicenseFacts): string {
  return text("license.edition", { edition: edition ?? text("license.any"), until: untilWords() });

  function untilWords(): string {
    if (perpetual) return text("license.perpetual");
    if (expiresAt === null) return text("license.open");
    return text(state === "expired" ? "license.expired" : "license.until", { date: expiresAt.slice(0, 10) });
  }
}

type LicenseForm = ReturnType<typeof useLicense>;
interface Typed {
  readonly licenseKey: string;
  readonly installCode: string;
}
type Asked = Partial<Typed> | { readonly former: true };

/** What is typed, the plan for it, and what the box has against it. Typing on forgets the plan. */
function useLicense() {
  const [view, setView] = useState<LicenseView | undefined>(undefined);
  const [typed, setTyped] = useState<Typed>({ licenseKey: "", installCode: "" });
  const [seen, setSeen] = useState<{ readonly asked: Asked; readonly plan: LicensePlan } | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    void getJson<LicenseView>(PATH).then((answered) => {
      if (answered.ok) setView(answered.value);
      else setProblem(answered.problem);
    });
  }, []);
  const forget = (): void => setSeen(undefined);
  const type =
    (field: keyof Typed) =>
    (value: string): void => {
      setTyped((before) => ({ ...before, [field]: value }));
      forget();
    };
  const ask = async <T>(path: string, body: unknown): Promise<T | undefined> => {
    if (busy) return undefined;
    setBusy(true);
    const answered = await postJson<T>(path, body);
    setBusy(false);
    setAttempt((count) => count + 1);
    setProblem(answered.ok ? undefined : answered.problem);
    return answered.ok ? answered.value : undefined;
  };
  const look = async (asked: Asked): Promise<void> => {
    const plan = await ask<LicensePlan>(`${PATH}/plan`, asked);
    setSeen(plan === undefined ? undefined : { asked, plan });
  };
  const apply = async ({ digest }: LicensePlan): Promise<void> => {
    const started = await ask<StartedView>(PATH, { ...seen?.asked, planDigest: digest });
    if (started !== undefined) navigate(`/operations/${started.operation.id}`);
    else forget();
  };
  return { view, typed, type, plan: seen?.plan, problem, busy, attempt, look, apply, forget };
}
