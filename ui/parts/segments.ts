/** One of a few short words in a row: radio buttons that look like one part. */
import { html, type VNode } from "../html.ts";

export interface SegmentsProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly options: readonly { readonly value: string; readonly label: string }[];
  readonly onChange: (value: string) => void;
}

/** Arrow keys move between the words, as in any group of radio buttons. */
export function Segments({ name, label, value, options, onChange }: SegmentsProps): VNode {
  const words = options.map(
    (option) => html`<label key=${option.value}>
      <input class="hidden-visually" type="radio" name=${name} value=${option.value} checked=${option.value === value} onChange=${() => onChange(option.value)} />
      <span>${option.label}</span>
    </label>`,
  );
  return html`<fieldset class="segments"><legend class="label">${label}</legend><div>${words}</div></fieldset>`;
}
