/** Lines of a log or a journal: follow, search, copy, download. Shows the last 2000 that match. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { showToast } from "../state/toasts.ts";
import { text } from "../strings.ts";
import { Button } from "./button.ts";
import { Field } from "./field.ts";

export interface LogViewProps {
  readonly label: string;
  readonly lines: readonly string[];
  /** Name of the downloaded file. */
  readonly fileName: string;
}

const SHOWN_LINES = 2_000;

/** Lines are text of the box or of a pod: they are shown as text, never as markup. */
export function LogView({ label, lines, fileName }: LogViewProps): VNode {
  const [wanted, setWanted] = useState("");
  const [follows, setFollows] = useState(true);
  const view = useRef<HTMLDivElement>(null);
  const shown = useMemo(() => matching(lines, wanted).slice(-SHOWN_LINES), [lines, wanted]);
  useEffect(() => {
    if (follows && view.current !== null) view.current.scrollTop = view.current.scrollHeight;
  }, [follows, shown]);
  const all = (): string => `${lines.join("\n")}\n`;
  return html`<div>
    <div class="log-tools">
      <${Field} name="log-search" type="search" label=${text("log.search")} value=${wanted} onInput=${setWanted} />
      <label class="check"><input type="checkbox" checked=${follows} onChange=${() => setFollows(!follows)} />${text("log.follow")}</label>
      <${Button} small onClick=${() => void copyText(all())}>${text("log.copy")}<//>
      <${Button} small onClick=${() => download(all(), fileName)}>${text("log.download")}<//>
    </div>
    <div class="log" ref=${view} tabindex="0" role="log" aria-live="off" aria-label=${label}>
      ${shown.length > 0 ? shown.join("\n") : text(lines.length === 0 ? "log.nothing" : "log.empty")}
    </div>
  </div>`;
}

/** Copies text and says so; without the clipboard it says that instead. */
export async function copyText(value: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(value);
    showToast(text("copy.done"));
  } catch {
    showToast(text("copy.denied"));
  }
}

function matching(lines: readonly string[], wanted: string): readonly string[] {
  const needle = wanted.trim().toLowerCase();
  return needle === "" ? lines : lines.filter((line) => line.toLowerCase().includes(needle));
}

function download(content: string, fileName: string): void {
  const address = URL.createObjectURL(new Blob([content], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1_000);
}
