/**
 * The route table as data for `docs/api.md`: built by the same functions that build the server, over engines that must
 * not be touched while a table is made.
 */
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { Random } from "../core/ports.ts";
import { describeRoutes, type RouteRow } from "./router.ts";
import { roomRoutes } from "./routes.ts";
import { createServerApp } from "./server.ts";

const NO_RANDOM: Random = { bytes: (count) => new Uint8Array(count), uuid: () => "", fraction: () => 0 };

export const ROUTE_REFERENCE: readonly RouteRow[] = describeRoutes(
  createServerApp(
    { clock: absent(), random: NO_RANDOM, files: absent(), machine: absent(), log: SILENT_LOG },
    {
      paths: statePaths(),
      routes: (own) =>
        roomRoutes(
          {
            operations: absent(),
            setup: absent(),
            address: absent(),
            adminPassword: absent(),
            licenseKey: absent(),
            updates: absent(),
            status: absent(),
            inventory: absent(),
            hostHistory: absent(),
            maintenance: absent(),
            name: absent(),
          },
          own,
        ),
      assets: [{ path: "index.html", bytes: new Uint8Array() }],
      mode: () => "setup",
      rehearsal: false,
      documents: () => [],
      readiness: async () => ({ ready: false, reasons: [] }),
    },
  ).routes,
);

/** Stands for an engine: a factory may name its members, and a call of one is a mistake that shows at once. */
function absent<T extends object>(): T {
  return new Proxy({} as T, {
    get: (_target, name) => () => {
      throw new TypeError(`"${String(name)}" is called while the route table is made`);
    },
  });
}
