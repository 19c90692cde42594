// The one piece of network outside the box: a bridge with the host's address, on which registry and name server listen.

import { BOX_NAME, NETWORK } from "./places.ts";
import { run, tryRun } from "./shell.ts";

/** Makes the bridge unless it is there. */
export function ensureBridge(): void {
  const { bridge, host, prefix } = NETWORK;
  if (tryRun(["ip", "link", "show", bridge]).code !== 0) run(["ip", "link", "add", bridge, "type", "bridge"]);
  if (!tryRun(["ip", "-4", "addr", "show", bridge]).stdout.includes(`${host}/`)) {
    run(["ip", "addr", "add", `${host}/${prefix}`, "dev", bridge]);
  }
  run(["ip", "link", "set", bridge, "up"]);
}

/** Pulls the network cable out of the box that runs, or plugs it in. */
export function plugNetwork(state: "in" | "out"): void {
  run(["ip", "link", "set", `vb-${BOX_NAME}`, state === "in" ? "up" : "down"]);
}

/** Removes the bridge; safe to call again. */
export function removeBridge(): void {
  tryRun(["ip", "link", "del", NETWORK.bridge]);
}
