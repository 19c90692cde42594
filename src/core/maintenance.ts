/**
 * The maintenance document: which system runs, how the box was started and ended, what changed beneath the product. Pure.
 *
 * The host writes it, the host agent tells it, the control plane hands it on; each of them checks it against this schema.
 */
import { z } from "zod";

export const MAINTENANCE_SCHEMA = "alga.appliance.maintenance/v1";
/** Starts that are kept: years of a box that is left alone. */
export const MAX_BOOTS = 100;
export const MAX_CHANGES = 200;
export const MAX_BOOTSTRAPS = 50;

const text = z.string().max(400);
const instant = z.string().max(40);

const systemSchema = z.object({
  /** As the distribution names itself: "Ubuntu 26.04 LTS". */
  os: text.nullable(),
  kernel: text.nullable(),
  k3s: text.nullable(),
  /** Of the executable on the host. */
  appliance: text,
});

const bootSchema = z.object({
  /** As the kernel names it; "wtmp-" and seconds where only wtmp knows of it. */
  bootId: text,
  startedAt: instant,
  /** null while it runs, and where nobody knows. */
  endedAt: instant.nullable(),
  /**
   * unclean: neither a mark of ours nor the journal tells of a shutdown: the power failed, or the kernel stopped. unknown: it was
   * before the first note of the appliance, and the system kept no record of shutdowns.
   */
  end: z.enum(["running", "clean", "unclean", "unknown"]),
});

const changeSchema = z.object({
  at: instant,
  /** access: somebody at the box gave out another setup token, or took the management password away. */
  what: z.enum(["os", "kernel", "k3s", "appliance", "access"]),
  from: text.nullable(),
  to: text.nullable(),
});

const runSchema = z.object({
  operationId: text,
  kind: text,
  state: text,
  startedAt: instant,
  endedAt: instant,
  /** Why it stopped; null where it came to its end. */
  problem: text.nullable(),
});

/** What the host keeps on its disk. */
export const keptMaintenanceSchema = z.object({
  schema: z.literal(MAINTENANCE_SCHEMA),
  system: systemSchema,
  /** Oldest first. */
  boots: z.array(bootSchema).max(MAX_BOOTS),
  changes: z.array(changeSchema).max(MAX_CHANGES),
});

/** The whole document as it is told. */
export const maintenanceSchema = keptMaintenanceSchema.extend({
  observedAt: instant,
  /** Of the starts that are kept. */
  uncleanShutdowns: z.number().int().nonnegative(),
  /** Ends of bootstraps, recovers and resets, oldest first. */
  runs: z.array(runSchema).max(MAX_BOOTSTRAPS),
});

export type MaintainedSystem = z.infer<typeof systemSchema>;
export type Boot = z.infer<typeof bootSchema>;
export type KeptMaintenance = z.infer<typeof keptMaintenanceSchema>;
export type Maintenance = z.infer<typeof maintenanceSchema>;
