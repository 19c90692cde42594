/** The rehearsal's switchboard: which failures there are, and which one plays. Asked only in a rehearsal. */
import { getJson, postJson } from "./api.ts";
import { createStore } from "./store.ts";
import type { RehearsalView } from "./wire.ts";

/** Null until the box has told it. */
export const rehearsal = createStore<RehearsalView | null>(null);

/** Reads what plays. Safe to call again: another tab or a script may have changed it. */
export async function refreshRehearsal(): Promise<void> {
  const answered = await getJson<RehearsalView>("/api/rehearsal");
  if (answered.ok) rehearsal.set(answered.value);
}

/** Plays a failure from now on; null mends all. What the box refuses changes nothing. */
export async function playScenario(name: string | null): Promise<void> {
  const answered = await postJson<RehearsalView>("/api/rehearsal", { scenario: name });
  if (answered.ok) rehearsal.set(answered.value);
}
