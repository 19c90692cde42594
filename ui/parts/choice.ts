/** One of a few: radio buttons as large rows. The group is a fieldset, so its question is read first. */
import { type Children, html, type VNode } from "../html.ts";
import { FieldError, fieldId } from "./field.ts";

export interface Option {
  readonly value: string;
  readonly label: string;
  readonly about?: string;
  /** A pill at the end of the row. */
  readonly mark?: Children;
}

export interface ChoiceProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly options: readonly Option[];
  readonly error?: string | undefined;
  readonly onChange: (value: string) => void;
}

/** Arrow keys move between the rows, as in any group of radio buttons. */
export function Choice({ name, label, value, options, error, onChange }: ChoiceProps): VNode {
  const id = fieldId(name);
  const rows = options.map((option, index) => {
    const rowId = index === 0 ? id : `${id}-${option.value}`;
    return html`<label class="choice" for=${rowId} key=${option.value}>
      <input type="radio" id=${rowId} name=${name} value=${option.value} checked=${option.value === value}
        aria-describedby=${error === undefined ? undefined : `${id}-error`} onChange=${() => onChange(option.value)} />
      <span><b>${option.label}</b>${option.about === undefined ? undefined : html`<small>${option.about}</small>`}</span>
      ${option.mark}
    </label>`;
  });
  return html`<fieldset class="choices"><legend>${label}</legend>${rows}<${FieldError} id=${id} error=${error} /></fieldset>`;
}
