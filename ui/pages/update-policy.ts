/** Which updates the box installs by itself, and when. */
import { useState } from "preact/hooks";
import { formatMoment, weekdays } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { Choice } from "../parts/choice.ts";
import { ErrorSummary } from "../parts/error-summary.ts";
import { Field } from "../parts/field.ts";
import { fieldError, type Problem, postJson } from "../state/api.ts";
import { boxNow } from "../state/clock.ts";
import { showToast } from "../state/toasts.ts";
import type { UpdatePolicy } from "../state/update-wire.ts";
import { text } from "../strings.ts";

export interface PolicyProps {
  readonly policy: UpdatePolicy;
  readonly onKept: () => void;
}

const CHOICES = ["never", "patch", "all"] as const;
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
type Day = (typeof DAYS)[number];
const WEEK_MS = 7 * 86_400_000;

/** The form keeps what is typed while the page is renewed around it. */
export function PolicyCard({ policy, onKept }: PolicyProps): VNode {
  const [typed, setTyped] = useState(policy);
  const { busy, attempt, problem, keep } = useKeep(onKept);
  const window = typed.window ?? { from: "", to: "", days: [...DAYS] };
  const errors = problem?.errors ?? [];
  const change = (next: Partial<typeof window>): void => {
    const all = { ...window, ...next };
    setTyped({ ...typed, window: all.from === "" && all.to === "" ? null : all });
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    void keep({ ...typed, holdUntil: policy.holdUntil });
  };
  const options = CHOICES.map((value) => ({
    value,
    label: text(`updates.${value}`),
    about: text(`updates.${value}-about`),
  }));
  const limits = html`<div class="pair">
      <${Field} name="window.from" label=${text("updates.from")} help=${text("updates.window-help")} value=${window.from} error=${fieldError(errors, "window.from")}
        maxLength=${5} onInput=${(from: string) => change({ from })} />
      <${Field} name="window.to" label=${text("updates.until")} value=${window.to} error=${fieldError(errors, "window.to") ?? fieldError(errors, "window")}
        maxLength=${5} onInput=${(to: string) => change({ to })} />
    </div>
    ${typed.window === null ? undefined : html`<${Days} chosen=${window.days} onChange=${(days: Day[]) => change({ days })} />`}`;
  return html`<${Card} title=${text("updates.policy")}>
    <form novalidate autocomplete="off" onSubmit=${submit}>
      <${ErrorSummary} items=${errors} attempt=${attempt} />
      <${Choice} name="automatic" label=${text("updates.automatic")} value=${typed.automatic} options=${options}
        error=${fieldError(errors, "automatic")} onChange=${(value: string) => setTyped({ ...typed, automatic: CHOICES.find((one) => one === value) ?? "never" })} />
      ${typed.automatic === "never" ? undefined : limits}
      <${Judging} typed=${typed} errors=${errors} onChange=${setTyped} />
      <div role="alert">${problem === undefined || errors.length > 0 ? undefined : html`<${Cause} what=${problem.detail} next=${problem.hint} />`}</div>
      <div class="buttons note"><${Button} kind="primary" type="submit" busy=${busy}>${text("updates.policy-deed")}<//>
        ${policy.automatic === "never" && policy.holdUntil === null ? undefined : html`<${Hold} policy=${policy} onKeep=${keep} />`}</div>
    </form>
  <//>`;
}

type Errors = Problem["errors"];
const USUAL = { soakMinutes: 5, patienceMinutes: 8 } as const;

/** How long every update is watched, and how long a failure may last: also of one that somebody starts. */
function Judging({
  typed,
  errors,
  onChange,
}: {
  readonly typed: UpdatePolicy;
  readonly errors: Errors;
  readonly onChange: (next: UpdatePolicy) => void;
}): VNode {
  const judge = typed.judge ?? USUAL;
  // What is no number is sent as it is typed into nothing: the box says what is wanted.
  const change = (key: keyof typeof USUAL, value: string): void =>
    onChange({ ...typed, judge: { ...judge, [key]: value.trim() === "" ? 0 : Number(value) } });
  const field = (
    key: keyof typeof USUAL,
  ): VNode => html`<${Field} name=${`judge.${key}`} label=${text(`updates.${key}`)} inputMode="numeric" maxLength=${2}
    value=${judge[key] > 0 ? String(judge[key]) : ""} error=${fieldError(errors ?? [], `judge.${key}`)} onInput=${(value: string) => change(key, value)} />`;
  return html`<div class="pair">${field("soakMinutes")}${field("patienceMinutes")}</div>`;
}

function Days({
  chosen,
  onChange,
}: {
  readonly chosen: readonly Day[];
  readonly onChange: (days: Day[]) => void;
}): VNode {
  const names = weekdays();
  const boxes = DAYS.map((day, index) => {
    const toggle = (): void => onChange(DAYS.filter((one) => (one === day) !== chosen.includes(one)));
    return html`<label class="check" key=${day}><input type="checkbox" name=${day} checked=${chosen.includes(day)} onChange=${toggle} />${names[index]}</label>`;
  });
  return html`<fieldset class="days"><legend>${text("updates.days")}</legend>${boxes}</fieldset>`;
}

/** A pause for a week, for the days on which nothing may change. */
function Hold({
  policy,
  onKeep,
}: {
  readonly policy: UpdatePolicy;
  readonly onKeep: (next: UpdatePolicy) => void;
}): VNode {
  const { holdUntil } = policy;
  const held = holdUntil !== null && Date.parse(holdUntil) > boxNow();
  const until = held ? null : new Date(boxNow() + WEEK_MS).toISOString();
  return html`${held ? html`<span class="quiet">${text("updates.hold", { time: formatMoment(holdUntil) })}</span>` : undefined}
    <${Button} onClick=${() => onKeep({ ...policy, holdUntil: until })}>${text(held ? "updates.unhold-deed" : "updates.hold-deed")}<//>`;
}

function useKeep(onKept: () => void) {
  const [busy, setBusy] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const keep = async (policy: UpdatePolicy): Promise<void> => {
    if (busy) return;
    setBusy(true);
    const answered = await postJson("/api/updates/policy", policy);
    setBusy(false);
    setAttempt((count) => count + 1);
    setProblem(answered.ok ? undefined : answered.problem);
    if (!answered.ok) return;
    showToast(text("updates.policy-done"));
    onKept();
  };
  return { busy, attempt, problem, keep };
}
