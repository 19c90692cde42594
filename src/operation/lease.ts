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

const TAKEN_OVER = "another process has taken the lease over";

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
  return new RenewedLease(deps, lease);
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

/** A lease that renews itself from its making until it is released or lost. */
class RenewedLease implements HeldLease {
  readonly number: number;
  readonly #deps: LeaseDeps;
  readonly #lost = new AbortController();
  #lease: Lease;
  #cancelTimer = (): void => {};
  #renewing: Promise<void> = Promise.resolve();

  constructor(deps: LeaseDeps, lease: Lease) {
    this.#deps = deps;
    this.#lease = lease;
    this.number = lease.number;
    this.#schedule();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async confirm(): Promise<void> {
    if (this.#lost.signal.aborted) throw this.#lost.signal.reason;
    if (this.#lease.released) throw this.#lose("its lease was given back");
    if (!(await this.#isOurs())) throw this.#lose(TAKEN_OVER);
    const silentMs = (await this.#deps.machine.uptimeMs()) - this.#lease.renewedUptimeMs;
    if (silentMs < LEASE_TTL_MS) return;
    // Stale, yet nobody came: renew first, so that the others see us before the effect.
    await this.#renew();
  }

  async release(): Promise<void> {
    this.#cancelTimer();
    await this.#renewing;
    this.#cancelTimer();
    if (this.#lease.released || this.#lost.signal.aborted) return;
    this.#lease = { ...this.#lease, released: true };
    if (await this.#isOurs()) await this.#deps.store.writeLease(this.#lease);
  }

  #schedule(): void {
    if (this.#lease.released || this.#lost.signal.aborted) return;
    this.#cancelTimer = this.#deps.clock.after(RENEW_EVERY_MS, () => {
      this.#renewing = this.#tick();
    });
  }

  async #tick(): Promise<void> {
    try {
      if (!(await this.#isOurs())) return void this.#lose(TAKEN_OVER);
      await this.#renew();
    } catch (thrown) {
      this.#deps.log.warn("lease not renewed", { number: this.number, error: thrown });
    }
    this.#schedule();
  }

  async #renew(): Promise<void> {
    const next = { ...this.#lease, renewedUptimeMs: await this.#deps.machine.uptimeMs() };
    await this.#deps.store.writeLease(next);
    this.#lease = next;
  }

  async #isOurs(): Promise<boolean> {
    return (await this.#deps.store.readLease())?.holder === this.#lease.holder;
  }

  #lose(why: string): ApplianceError {
    const error = new ApplianceError("operation/lease-lost", `Cannot go on with the operation: ${why}`);
    if (!this.#lost.signal.aborted) this.#deps.log.warn("lease lost", { number: this.number, why });
    this.#cancelTimer();
    this.#lost.abort(error);
    return error;
  }
}
