// Everything that an operator is alarmed of while something goes on: every check that fails in any status, however short.

import { sleep } from "../../scripts/lab/daemon.ts";
import { openEvents } from "../rehearsal/events.ts";
import type { Appliance, Status } from "./appliance.ts";

export interface Alarms {
  /** Codes of checks that have failed since, in the order in which they came. */
  heard(): readonly string[];
  stop(): void;
}

const AGAIN_MS = 500;

/** Reads the event stream from now on; one that breaks is opened again. */
export function hearAlarms(appliance: Appliance): Alarms {
  const codes = new Set<string>();
  let isOver = false;
  const read = async (): Promise<void> => {
    for await (const event of openEvents(`${appliance.address}/api/events`, { cookie: appliance.cookie }, [])) {
      if (isOver) return;
      if (event.type !== "status") continue;
      for (const { code, state } of (event.data as Status).checks) if (state === "failed") codes.add(code);
    }
  };
  const readOn = async (): Promise<void> => {
    while (!isOver) {
      // The control plane is away, or knows this session no more: what it tells then nobody hears.
      await read().catch(() => undefined);
      await sleep(AGAIN_MS);
    }
  };
  void readOn();
  return {
    heard: () => [...codes],
    stop: () => {
      isOver = true;
    },
  };
}
