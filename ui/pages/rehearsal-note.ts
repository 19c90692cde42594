/** The rehearsal's bar with what the box says of its failures; whoever is logged in may play them. */
import { useEffect } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { RehearsalBar } from "../parts/rehearsal-bar.ts";
import { connection } from "../state/live.ts";
import { playScenario, refreshRehearsal, rehearsal } from "../state/rehearsal.ts";
import { useStore } from "../state/store.ts";
import type { SessionView } from "../state/wire.ts";

/** Asks anew after a gap and when one comes back to the tab: a colleague may have played something else. */
export function RehearsalNote({ who }: { readonly who: SessionView }): VNode {
  const known = useStore(rehearsal);
  const link = useStore(connection).state;
  const mayPlay = who.authenticated && who.claimed;
  useEffect(() => {
    if (!mayPlay || link === "lost") return;
    const ask = (): void => void refreshRehearsal();
    ask();
    addEventListener("focus", ask);
    return () => removeEventListener("focus", ask);
  }, [mayPlay, link]);
  const scenarios = mayPlay ? (known?.scenarios ?? []) : [];
  const playing = mayPlay ? (known?.scenario ?? null) : null;
  return html`<${RehearsalBar} scenarios=${scenarios} playing=${playing} onPlay=${playScenario} />`;
}
