/** What the box says of updates, read anew when it tells that something changed. */
import { useEffect, useState } from "preact/hooks";
import { getJson, type Problem, postJson } from "../state/api.ts";
import { connection, operation, updatesChanged } from "../state/live.ts";
import { useStore } from "../state/store.ts";
import type { UpdatesView } from "../state/update-wire.ts";

export interface Updates {
  readonly view: UpdatesView | undefined;
  /** Why the last call gave nothing. */
  readonly problem: Problem | undefined;
  /** The registry is being asked. */
  readonly busy: boolean;
  check(): void;
  refresh(): void;
}

/** Follows the event stream; after a gap it reads the whole document. */
export function useUpdates(): Updates {
  const told = useStore(updatesChanged);
  const link = useStore(connection).state;
  const run = useStore(operation);
  const [view, setView] = useState<UpdatesView | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const take = async (asked: ReturnType<typeof getJson<UpdatesView>>): Promise<void> => {
    const answered = await asked;
    setProblem(answered.ok ? undefined : answered.problem);
    if (answered.ok) setView(answered.value);
  };
  const refresh = (): void => void take(getJson<UpdatesView>("/api/updates"));
  useEffect(refresh, [told, link, run?.id, run?.state, run?.step]);
  const check = (): void => {
    if (busy) return;
    setBusy(true);
    void take(postJson<UpdatesView>("/api/updates/check")).then(() => setBusy(false));
  };
  return { view, problem, busy, check, refresh };
}
