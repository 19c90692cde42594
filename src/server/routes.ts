/** Collects the HTTP edges of the rooms. One place knows which rooms have one. */
import type { Route } from "../core/http.ts";
import type { Engines } from "../engines/engines.ts";
import { operationRoutes } from "../operation/routes.ts";
import { addressRoutes, adminPasswordRoutes, licenseRoutes, setupRoutes } from "../setup/routes.ts";
import { type NameEdge, nameRoutes } from "../status/appliance-name.ts";
import { type EventListEdge, eventListRoutes } from "../status/event-list.ts";
import { guideRoutes } from "../status/guide.ts";
import { type HostHistory, hostHistoryRoutes } from "../status/host-history.ts";
import { hostMaintenanceRoutes, type MaintenanceEdge } from "../status/host-maintenance.ts";
import { type InventoryEdge, inventoryRoutes } from "../status/inventory-routes.ts";
import type { StatusEngine } from "../status/observer.ts";
import { statusRoutes } from "../status/routes.ts";
import { updateRoutes } from "../update/routes.ts";
import type { OwnParts } from "./server.ts";

/** What the edges work on. */
export interface RoomEngines extends Engines {
  readonly status: StatusEngine;
  /** Logs of pods come from the cluster itself. */
  readonly inventory: InventoryEdge & EventListEdge;
  readonly hostHistory: HostHistory;
  readonly maintenance: MaintenanceEdge;
  readonly name: NameEdge;
}

/** All routes of the rooms, in the order of the reference. */
export function roomRoutes(engines: RoomEngines, own: OwnParts): readonly Route[] {
  return [
    ...operationRoutes(engines.operations),
    ...setupRoutes(engines.setup),
    ...addressRoutes(engines.address),
    ...adminPasswordRoutes(engines.adminPassword),
    ...licenseRoutes(engines.licenseKey),
    ...updateRoutes(engines.updates),
    ...inventoryRoutes(engines.inventory, own.openStream),
    ...eventListRoutes(engines.inventory),
    ...hostHistoryRoutes(engines.hostHistory),
    ...hostMaintenanceRoutes(engines.maintenance),
    ...nameRoutes(engines.name),
    ...guideRoutes(),
    ...statusRoutes(engines.status, { hasSession: own.hasSession }),
  ];
}
