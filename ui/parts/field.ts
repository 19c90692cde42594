/** A field: label, help, input, and what is wrong with it in words, tied together for screen readers. */
import { html, type VNode } from "../html.ts";
import { Icon } from "./icon.ts";

export interface FieldProps {
  readonly name: string;
  readonly label: string;
  readonly help?: string;
  readonly value: string;
  readonly error?: string | undefined;
  readonly onInput: (value: string) => void;
  readonly type?: "text" | "email" | "search";
  readonly inputMode?: "text" | "email" | "url" | "numeric";
  readonly autocomplete?: string;
  readonly placeholder?: string;
  readonly mono?: boolean;
  readonly maxLength?: number;
}

/** Id of the input of a field: the error summary links to it. */
export function fieldId(name: string): string {
  return `field-${name}`;
}

/** One line of text; holds no state of its own. */
export function Field(props: FieldProps): VNode {
  const { name, label, help, value, error, onInput, type = "text", inputMode = "text" } = props;
  const id = fieldId(name);
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <div class="help" id=${`${id}-help`}>${help}</div>
    <input class="input" id=${id} name=${name} type=${type} inputmode=${inputMode} value=${value}
      autocomplete=${props.autocomplete ?? "off"} autocapitalize="none" spellcheck=${false}
      maxlength=${props.maxLength ?? 1000}
      aria-invalid=${error === undefined ? undefined : "true"} aria-describedby=${describedBy(id, help, error)}
      onInput=${(event: InputEvent) => onInput((event.currentTarget as HTMLInputElement).value)} />
    <${FieldError} id=${id} error=${error} />
  </div>`;
}

/** What is wrong with a field, beside it. */
export function FieldError({ id, error }: { readonly id: string; readonly error?: string | undefined }): VNode {
  return html`<p class="error" id=${`${id}-error`}>
    ${error === undefined ? undefined : html`<${Icon} name="alert" /><span>${error}</span>`}
  </p>`;
}

/** Names what describes a field. */
export function describedBy(id: string, help: string | undefined, error: string | undefined): string | undefined {
  const parts = [error === undefined ? "" : `${id}-error`, help === undefined ? "" : `${id}-help`];
  return parts.filter((part) => part !== "").join(" ") || undefined;
}
