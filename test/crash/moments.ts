/** Every moment of a run on a host at which its process could die, each with the world as it was then. */
import type { Fetch } from "../../src/core/ports.ts";
import type { BootstrapDeps } from "../../src/host/bootstrap-context.ts";
import type { FakeHost } from "./fake-host.ts";
import { makeMortal } from "./mortal.ts";

interface Moment {
  /** What was about to be done, or was just done. */
  readonly name: string;
  readonly world: FakeHost;
}

/**
 * Watches a run: its ports, and the moments that fill up while it goes on: before each program, each write to the disk and each write to
 * the API.
 *
 * @param options.after Also after each write to the disk. Before the next effect the world is the same.
 */
export function watchMoments(
  host: FakeHost,
  options: { readonly stateFolder: string; readonly after?: boolean },
): { readonly deps: BootstrapDeps; readonly moments: readonly Moment[] } {
  const moments: Moment[] = [];
  const keep = (name: string): boolean => {
    moments.push({ name, world: host.copy() });
    return false;
  };
  const real = host.deps();
  const { deps } = makeMortal(real as Parameters<typeof makeMortal>[0], {
    kube: () => Promise.reject(),
    stateFolder: options.stateFolder,
    diesAt: (name, when) => (when === "before" || options.after === true) && keep(`${when} ${name}`),
    die: () => {},
  });
  const exec: BootstrapDeps["exec"] = async (argv, limits) => {
    keep(`before ${argv.join(" ")}`);
    return real.exec(argv, limits);
  };
  const wire = real.transports.open();
  const open = (): Fetch => (request) => {
    if (request.method !== "GET") keep(`before ${request.method} ${new URL(request.url).pathname}`);
    return wire(request);
  };
  return { deps: { ...deps, exec, transports: { open } }, moments };
}

/** Ends the world's process at a moment: with the power at every other one, which ends k3s and the boot too. */
export function cutAt({ world }: Moment, index: number, box: { boot(): void }): void {
  if (index % 2 !== 0) return;
  box.boot();
  if (world.state.k3s === "active") world.state.k3s = "inactive";
}
