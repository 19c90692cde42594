/** How the runs of the host (bootstrap, recover, reset) make way for each other: one journal folder, one at a time. */
import type { CommandContext } from "../cli/command.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { hasEnded } from "../operation/fold.ts";
import type { OperationView } from "../operation/model.ts";
import type { Operations } from "../operation/operations.ts";

/** Milliseconds between tries to close what another command of this box left. */
const CLOSE_MS = 2_000;
const ID_MS = 5_000;

/**
 * Closes a run of another kind that nobody works on any more; waits while somebody does. A recover that was interrupted loses nothing
 * by it: the next one begins with a look at what is wrong then.
 */
export async function closeOther(
  deps: Pick<Deps, "clock">,
  operations: Operations,
  { id, signal }: { readonly id: string; readonly signal: AbortSignal },
): Promise<void> {
  for (;;) {
    try {
      await operations.cancel(id);
      return;
    } catch (thrown) {
      if (isApplianceError(thrown, "operation/not-cancellable")) {
        const found = await operations.get(id);
        if (found === undefined || hasEnded(found.view)) return;
      } else if (!isApplianceError(thrown, "operation/busy")) throw thrown;
      await deps.clock.sleep(CLOSE_MS, signal);
    }
  }
}

/**
 * Brings a run to its end that was interrupted, or waits while another process does. A box of which half is removed must not be started.
 *
 * @returns the run as it ended, or stopped with its problem.
 * @throws The reason of the signal.
 */
export async function bringToEnd(
  deps: Pick<Deps, "clock">,
  operations: Operations,
  { id, signal }: { readonly id: string; readonly signal: AbortSignal },
): Promise<OperationView> {
  for (;;) {
    try {
      const resumed = await operations.resume(id);
      return (await operations.settled(signal)) ?? resumed;
    } catch (thrown) {
      const found = await operations.get(id);
      if (found !== undefined && hasEnded(found.view)) return found.view;
      if (!isApplianceError(thrown, "operation/busy")) throw thrown;
      await deps.clock.sleep(CLOSE_MS, signal);
    }
  }
}

/**
 * Refuses anybody but root: to others the folders of the appliance look as if they were gone.
 * @throws {ApplianceError} host/not-root. Where id(1) does not answer nothing is known, and nothing is refused.
 */
export async function assertRoot(
  { exec }: Pick<Deps, "exec">,
  about: { readonly what: string; readonly signal: AbortSignal },
): Promise<void> {
  const { signal } = about;
  const said = await exec(["id", "-u"], { timeoutMs: ID_MS, signal }).catch(() => undefined);
  signal.throwIfAborted();
  const user = /^\d{1,10}$/.exec(said?.stdout.trim() ?? "")?.[0] ?? "0";
  if (user === "0") return;
  throw new ApplianceError("host/not-root", `Cannot ${about.what} as user "${user}": only root sees and mends it all`, {
    hint: "Put sudo before the command",
  });
}

/**
 * The same for the machine that this runs on; on a disk that is mounted somewhere its files say themselves what they deny.
 * @throws {ApplianceError} host/not-root.
 */
export async function assertRootOnBox(
  { deps, settings, signal }: Pick<CommandContext, "deps" | "settings" | "signal">,
  what: string,
): Promise<void> {
  if ((settings.get("root") ?? "/") === "/") await assertRoot(deps, { what, signal });
}

/**
 * Refuses a machine that was not booted with systemd, before anything is written to it. Reads only.
 * @throws {ApplianceError} host/no-systemd.
 * @see sd_booted(3)
 */
export async function assertSystemd({ files }: Pick<Deps, "files">, what: string): Promise<void> {
  if ((await files.stat("/run/systemd/system"))?.kind === "directory") return;
  throw new ApplianceError(
    "host/no-systemd",
    `Cannot ${what} on this machine: it was not started with systemd, a box of the appliance is wanted`,
    { hint: "On a laptop: alga-appliance rehearse; what would be done: alga-appliance bootstrap plan" },
  );
}

/** The boot that a plan was made in. */
export function bootOf(plan: unknown): unknown {
  return typeof plan === "object" && plan !== null && "bootId" in plan ? plan.bootId : undefined;
}
