/** A secret: hidden unless asked for, with its strength when it is a new one. Never filled in by the page. */
import { useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { strengthOf } from "../model/strength.ts";
import { text } from "../strings.ts";
import { describedBy, FieldError, fieldId } from "./field.ts";
import { Icon } from "./icon.ts";

export interface SecretFieldProps {
  readonly name: string;
  readonly label: string;
  readonly help?: string;
  readonly value: string;
  readonly error?: string | undefined;
  readonly onInput: (value: string) => void;
  /** Shows how strong it is; for a secret that is chosen now. Words that must not be in it weaken it. */
  readonly strength?: { readonly minLength: number; readonly known: readonly string[] };
  /** What it must hold, in sentences; folded away until asked for. */
  readonly rules?: readonly string[];
  readonly autocomplete?: "new-password" | "current-password" | "off";
}

/** A password field with a button that shows what is typed. */
export function SecretField(props: SecretFieldProps): VNode {
  const { name, label, help, value, error, onInput, strength, rules = [] } = props;
  const [shown, setShown] = useState(false);
  const id = fieldId(name);
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <div class="help" id=${`${id}-help`}>${help}</div>
    <div class="with-button">
      <input class="input" id=${id} name=${name} type=${shown ? "text" : "password"} value=${value}
        autocomplete=${props.autocomplete ?? "off"} autocapitalize="none" spellcheck=${false} maxlength="1000"
        aria-invalid=${error === undefined ? undefined : "true"} aria-describedby=${describedBy(id, help, error)}
        onInput=${(event: InputEvent) => onInput((event.currentTarget as HTMLInputElement).value)} />
      <button type="button" aria-pressed=${shown} aria-label=${text("secret.show", { label })}
        title=${text("secret.show", { label })} onClick=${() => setShown(!shown)}>
        <${Icon} name=${shown ? "hidden" : "eye"} />
      </button>
    </div>
    ${strength === undefined ? undefined : html`<${Strength} value=${value} ...${strength} />`}
    ${rules.length === 0 ? undefined : html`<details class="more"><summary>${text("secret.rules")}</summary><ul class="rules">${rules.map((rule) => html`<li key=${rule}>${rule}</li>`)}</ul></details>`}
    <${FieldError} id=${id} error=${error} />
  </div>`;
}

interface StrengthProps {
  readonly value: string;
  readonly minLength: number;
  readonly known: readonly string[];
}

function Strength({ value, minLength, known }: StrengthProps): VNode {
  const { level, word, tone } = strengthOf(value, { minLength, known });
  const bars = [1, 2, 3, 4].map((bar) => html`<i class=${bar <= level ? `on ${tone}` : ""} key=${bar}></i>`);
  return html`<div class="strength">${bars}<span aria-live="polite">${text(word, { n: minLength })}</span></div>`;
}
