/**
 * The lease: at most one process works on operations.
 *
 * Leases are numbered; the highest number counts. Whoever finds the holder dead, stale or gone creates the next number,
 * and creation is exclusive, so one of many wins. A holder is dead when the machine was booted since, or when its
 * process (pid and start time, in the same PID namespace) is no more; it is stale when it did not renew for 15 s of
 * uptime. Wall time plays no part. A holder asks `confirm` before each effect that must be its own.
 */
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import type { Deps, ProcessIdentity } from "../core/ports.ts";
import type { StateStore } from "./store.ts";

export const LEASE_SCHEMA = "alga.appliance.lease/v1";

/** Milliseconds of uptime after which a silent holder may be replaced. */
const LEASE_TTL_MS = 15_000;
const RENEW_EVERY_MS = 5_000;

export const leaseSchema = z.object({
  schema: z.literal(LEASE_SCHEMA),
  /** Grows by one with each holder. */
  number: z.number().int().positive(),
  /** Random, tells apart two engines of one process. */
  holder: z.string(),
  bootId: z.string(),
  pid: z.number().int(),
  startTicks: z.string(),
  pidNamespace: z.string(),
  renewedUptimeMs: z.number(),
  released: z.boolean(),
});

export type Lease = z.infer<typeof leaseSchema>;

/** A lease that this process holds. */
export interface HeldLease {
  readonly number: number;
  /** Fires when the lease was lost. */
  readonly lost: AbortSignal;
  /** @throws {ApplianceError} operation/lease-lost when another holder has come, or renewing stopped. */
  confirm(): Promise<void>;
  /** Gives the lease back. Safe to call again. */
  release(): Promise<void>;
}

type LeaseDeps = Pick<Deps, "clock" | "machine" | "random" | "log"> & { readonly store: StateStore };

interface Facts {
  readonly bootId: string;
  readonly uptimeMs: number;
  readonly self: ProcessIdentity;
  /** Start time of the holder's pid in our namespace, when that can be known. */
  readonly holderStart: string | undefined;
}

/** Tells whether a lease binds others. Pure. */
function isHeld(lease: Lease, facts: Facts): boolean {
  if (lease.released || lease.bootId !== facts.bootId) return false;
  if (lease.pidNamespace === facts.self.pidNamespace && facts.holderStart !== lease.startTicks) return false;
  return facts.uptimeMs - lease.renewedUptimeMs < LEASE_TTL_MS;
}

/**
 * Takes the lease when it is free, or its holder is dead or stale.
 *
 * @returns the lease, or undefined while another process holds it. Renews itself until it is released or lost.
 */
export async function acquireLease(deps: LeaseDeps): Promise<HeldLease | undefined> {
  const current = await deps.store.readLease();
  const facts = await gatherFacts(deps, current);
  if (current !== undefined && isHeld(current, facts)) return undefined;
  const lease: Lease = {
    schema: LEASE_SCHEMA,
    number: (current?.number ?? 0) + 1,
    holder: deps.random.uuid(),
    bootId: facts.bootId,
    ...facts.self,
    renewedUptimeMs: facts.uptimeMs,
    released: false,
  };
  if (!(await deps.store.createLease(lease))) return undefined;
  if ((await deps.store.readLease())?.holder !== lease.holder) {
    // A slow reader of an old number: somebody is further on already.
    await deps.store.removeLeases({ only: lease.number });
    return undefined;
  }
  await deps.store.removeLeases({ below: lease.number });
  return hold(deps, lease);
}

async function gatherFacts(deps: LeaseDeps, current: Lease | undefined): Promise<Facts> {
  const [bootId, uptimeMs, self] = await Promise.all([
    deps.machine.bootId(),
    deps.machine.uptimeMs(),
    deps.machine.self(),
  ]);
  const holderStart = current === undefined ? undefined : await deps.machine.processStart(current.pid);
  return { bootId, uptimeMs, self, holderStart };
}

function hold(deps: LeaseDeps, first: Lease): HeldLease {
  const lost = new AbortController();
  let lease = first;
  let cancelTimer = (): void => {};
  let renewing: Promise<void> = Promise.resolve();

  const lose = (why: string): ApplianceError => {
    const error = new ApplianceError("operation/lease-lost", `Cannot go on with the operation: ${why}`);
    if (!lost.signal.aborted) deps.log.warn("lease lost", { number: lease.number, why });
    cancelTimer();
    lost.abort(error);
    return error;
  };
  const confirm = async (): Promise<void> => {
    if (lost.signal.aborted) throw lost.signal.reason;
    if (lease.released) throw lose("its lease was given back");
    const found = await deps.store.readLease();
    if (found?.holder !== lease.holder) throw lose("another process has taken the lease over");
    const silentMs = (await deps.machine.uptimeMs()) - lease.renewedUptimeMs;
    if (silentMs < LEASE_TTL_MS) return;
    // Stale, yet nobody came: renew first, so that the others see us before the effect.
    await renew();
  };
  const renew = async (): Promise<void> => {
    const next = { ...lease, renewedUptimeMs: await deps.machine.uptimeMs() };
    await deps.store.writeLease(next);
    lease = next;
  };
  const tick = async (): Promise<void> => {
    try {
      const found = await deps.store.readLease();
      if (found?.holder !== lease.holder) return void lose("another process has taken the lease over");
      await renew();
    } catch (thrown) {
      deps.log.warn("lease not renewed", { number: lease.number, error: thrown });
    }
    schedule();
  };
  const schedule = (): void => {
    if (lease.released || lost.signal.aborted) return;
    cancelTimer = deps.clock.after(RENEW_EVERY_MS, () => {
      renewing = tick();
    });
  };
  schedule();

  return {
    number: first.number,
    lost: lost.signal,
    confirm,
    release: async () => {
      cancelTimer();
      await renewing;
      cancelTimer();
      if (lease.released || lost.signal.aborted) return;
      lease = { ...lease, released: true };
      if ((await deps.store.readLease())?.holder === lease.holder) await deps.store.writeLease(lease);
    },
  };
}
