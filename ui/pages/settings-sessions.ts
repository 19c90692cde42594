/** Who is logged in. */
import { useState } from "preact/hooks";
import { formatAge } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Facts } from "../parts/facts.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { deleteJson } from "../state/api.ts";
import { usePolled } from "../state/poll.ts";
import { showToast } from "../state/toasts.ts";
import type { OpenSession } from "../state/wire.ts";
import { text } from "../strings.ts";

const SESSIONS_MS = 15_000;

/** Who is logged in, as far as it helps: how many, since when, and which one this is. */
export function SessionsCard(): VNode {
  const [count, setCount] = useState(0);
  const { value } = usePolled<{ readonly sessions: readonly OpenSession[] }>(
    `/api/sessions?look=${count}`,
    SESSIONS_MS,
  );
  const end = async (): Promise<void> => {
    const answered = await deleteJson<{ readonly ended: number }>("/api/sessions");
    if (answered.ok) showToast(text("settings.sessions-ended", { n: answered.value.ended }));
    setCount((now) => now + 1);
  };
  const rows = (value?.sessions ?? []).map(({ current, openMs, idleMs }) => ({
    name: current ? text("settings.session-here") : text("settings.session-other"),
    value: text("settings.session-times", { open: formatAge(openMs), idle: formatAge(idleMs) }),
  }));
  return html`<${Card} title=${text("settings.sessions")}>
    ${value === undefined ? html`<${Skeleton} lines=${2} />` : html`<${Facts} items=${rows.map((row, index) => ({ ...row, key: String(index) }))} />`}
    ${rows.length > 1 ? html`<div class="buttons note"><${Button} onClick=${() => void end()}>${text("settings.sessions-end")}<//></div>` : undefined}
  <//>`;
}
