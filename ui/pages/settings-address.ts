/** The application's address: type another one, look what it changes, then change it as an operation. */
import { useEffect, useState } from "preact/hooks";
import { formatDuration } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { ErrorSummary } from "../parts/error-summary.ts";
import { Facts } from "../parts/facts.ts";
import { Field } from "../parts/field.ts";
import { fieldError, getJson, type Problem, postJson } from "../state/api.ts";
import { navigate } from "../state/router.ts";
import type { AddressPlanView, AddressView, StartedView } from "../state/wire.ts";
import { text } from "../strings.ts";

const PATH = "/api/settings/app-url";

/** Nothing is changed before the plan was seen. */
export function AddressCard(): VNode {
  const form = useAddress();
  const { known, plan, problem } = form;
  if (known?.url === null)
    return html`<${Card} title=${text("app-url.title")}><p class="quiet">${text("app-url.none")}</p><//>`;
  const errors = problem?.errors ?? [];
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    void form.look();
  };
  return html`<${Card} title=${text("app-url.title")}>
    <form novalidate autocomplete="off" onSubmit=${submit}>
      <p class="quiet">${text("app-url.about")}</p>
      <${ErrorSummary} items=${errors} attempt=${form.attempt} />
      <${Field} name="appHostname" label=${text("app-url.label")} help=${text("app-url.help")} value=${form.typed} onInput=${form.type}
        error=${fieldError(errors, "appHostname")} maxLength=${300} />
      <div role="alert">${problem === undefined || errors.length > 0 ? undefined : html`<${Cause} what=${problem.detail} next=${problem.hint} />`}</div>
      ${plan === undefined ? html`<${Ask} form=${form} />` : html`<${Review} form=${form} plan=${plan} />`}
    </form>
  <//>`;
}

interface PartProps {
  readonly form: AddressForm;
}

function Ask({ form }: PartProps): VNode {
  const former = form.known?.former ?? null;
  return html`<div class="buttons note">
    <${Button} kind="primary" type="submit" busy=${form.busy}>${text("app-url.look")}<//>
    ${former === null ? undefined : html`<${Button} onClick=${() => form.type(former)}>${text("app-url.former", { url: former })}<//>`}
  </div>`;
}

/** What the change would do, and the deed. */
function Review({ form, plan }: PartProps & { readonly plan: AddressPlanView }): VNode {
  const restarts = plan.components.length === 0 ? text("app-url.no-restart") : plan.components.join(", ");
  const facts = [
    { name: text("app-url.from"), value: plan.from },
    { name: text("app-url.to"), value: plan.to },
    { name: text("app-url.restarts"), value: restarts },
    { name: text("app-url.takes"), value: formatDuration(plan.expectedMs) },
  ];
  return html`<section aria-label=${text("app-url.plan")}>
    <${Facts} items=${facts} />
    ${plan.warnings.map((warning) => html`<${Cause} key=${warning} tone="attention" what=${warning} />`)}
    <div class="buttons note">
      <${Button} kind="primary" busy=${form.busy} onClick=${() => void form.change(plan)}>${text("app-url.deed")}<//>
      <${Button} onClick=${form.forget}>${text("app-url.back")}<//>
    </div>
  </section>`;
}

type AddressForm = ReturnType<typeof useAddress>;

/** What is typed, the plan for it, and what the box has against it. Typing on forgets the plan. */
function useAddress() {
  const [known, setKnown] = useState<AddressView | undefined>(undefined);
  const [typed, setTyped] = useState("");
  const [plan, setPlan] = useState<AddressPlanView | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    void getJson<AddressView>(PATH).then((answered) => {
      if (!answered.ok) return setProblem(answered.problem);
      setKnown(answered.value);
      // Who has begun to type meanwhile keeps what is typed.
      const { url } = answered.value;
      setTyped((now) => (now === "" ? (url ?? "") : now));
    });
  }, []);
  const forget = (): void => setPlan(undefined);
  const type = (value: string): void => {
    setTyped(value);
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
  const look = async (): Promise<void> => setPlan(await ask<AddressPlanView>(`${PATH}/plan`, { appHostname: typed }));
  const change = async ({ to, digest }: AddressPlanView): Promise<void> => {
    const started = await ask<StartedView>(PATH, { appHostname: to, planDigest: digest });
    if (started !== undefined) navigate(`/operations/${started.operation.id}`);
    else forget();
  };
  return { known, typed, type, plan, problem, busy, attempt, look, change, forget };
}
