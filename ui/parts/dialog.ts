/** A question in a native `dialog`: the browser holds the focus inside and gives it back. Escape means no. */
import { useEffect, useRef } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { text } from "../strings.ts";
import { Button } from "./button.ts";

export interface DialogProps {
  readonly open: boolean;
  readonly title: string;
  readonly about: string;
  /** The deed, as its button names it. */
  readonly deed: string;
  readonly danger?: boolean;
  readonly onDeed: () => void;
  readonly onClose: () => void;
}

/** Opens and closes with `open`; `onClose` also hears Escape. */
export function Dialog({ open, title, about, deed, danger = false, onDeed, onClose }: DialogProps): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const node = dialog.current;
    if (node === null || node.open === open) return;
    if (open) node.showModal();
    else node.close();
  }, [open]);
  return html`<dialog class="dialog" ref=${dialog} aria-labelledby="dialog-title" aria-describedby="dialog-about" onClose=${onClose}>
    <h2 id="dialog-title">${title}</h2>
    <p id="dialog-about">${about}</p>
    <div class="buttons">
      <${Button} onClick=${onClose}>${text("dialog.back")}<//>
      <${Button} kind=${danger ? "danger" : "primary"} onClick=${onDeed}>${deed}<//>
    </div>
  </dialog>`;
}
