/**
 * Puts the folders of the appliance right: what cannot be used is renamed, never deleted; owners and modes are given back.
 *
 * The state folder is the control plane's, which may run and work on an operation: everything is done under its lease, so that two
 * never write at once. Each deed asks what is wrong now and does only that, so it may be killed anywhere and called again.
 */
import { join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import { toInstant } from "../core/time.ts";
import { createFileStore } from "../operation/file-store.ts";
import { acquireLease } from "../operation/lease.ts";
import type { StateStore } from "../operation/store.ts";
import { type BootstrapCall, run } from "./bootstrap-context.ts";
import { CONTROL_PLANE_ID } from "./host-files.ts";
import { hostPaths } from "./host-store.ts";
import { historyLines, inspectState, type StateFault } from "./recover-state.ts";

const MAX_BYTES = 8 * 1024 * 1024;
const OWNER = `${CONTROL_PLANE_ID}:${CONTROL_PLANE_ID}`;

/** What lies under a name that is put aside: told at the end. */
export interface Aside {
  readonly path: string;
  readonly aside: string;
}

/**
 * Works on the state folder while the control plane cannot: under its lease.
 *
 * @throws {ApplianceError} operation/busy while an operation of the control plane runs; what the work throws.
 */
export async function withStateLease<T>(call: BootstrapCall, work: (store: StateStore) => Promise<T>): Promise<T> {
  const { deps, settings } = call;
  const store = createFileStore(deps, settings.paths);
  await deps.files.makeDirectory(settings.paths.state);
  const lease = await acquireLease({ ...deps, store });
  if (lease === undefined) throw stateBusy();
  try {
    // The control plane reads the newest lease as its own user.
    await giveState(call, settings.paths.lease);
    return await work(store);
  } finally {
    await lease.release();
    await giveState(call, settings.paths.lease);
  }
}

/** Gives files to the control plane, by number and without following a link that it may have laid. */
async function giveState(call: BootstrapCall, path: string): Promise<void> {
  if ((await call.deps.files.stat(path, { links: "show" })) === undefined) return;
  await run(call, ["chown", "--no-dereference", "--recursive", OWNER, path]);
}

/** Renames what cannot be used, and makes the folders. @returns what was renamed. Safe to call again. */
export async function putAside(call: BootstrapCall): Promise<readonly Aside[]> {
  const { deps, settings, signal } = call;
  const { paths } = settings;
  const found = (await inspectState(deps, paths, signal)).filter(({ kind }) => kind !== "owner" && kind !== "open");
  const asides: Aside[] = [];
  for (const { path } of found.filter(({ kind }) => kind === "not-a-folder")) asides.push(await rename(call, path));
  const ofHost = found.filter(({ path }) => path.startsWith(`${paths.host}/`));
  const ofState = found.filter(({ path, kind }) => path.startsWith(`${paths.state}/`) || kind === "missing");
  await deps.files.makeDirectory(paths.host, { mode: 0o700 });
  const own = await ownJournal(call);
  for (const fault of ofHost.filter(({ path }) => path !== own)) {
    asides.push(...(await mend(call, fault, { paths: hostPaths(paths) })));
  }
  if (ofState.length === 0) return asides;
  await withStateLease(call, async (store) => {
    for (const fault of ofState.filter(({ kind }) => kind !== "missing")) {
      asides.push(...(await mend(call, fault, { paths, store })));
    }
  });
  return asides;
}

/** The newest journal of the host is that of this run, which writes it meanwhile and mends it itself. */
async function ownJournal({ deps, settings }: BootstrapCall): Promise<string | undefined> {
  const { journal } = hostPaths(settings.paths);
  const name = (await deps.files.list(journal)).filter((one) => one.endsWith(".ndjson")).at(-1);
  return name === undefined ? undefined : join(journal, name);
}

async function mend(
  call: BootstrapCall,
  fault: StateFault,
  place: { readonly paths: StatePaths; readonly store?: StateStore },
): Promise<readonly Aside[]> {
  const { deps } = call;
  const { path, kind } = fault;
  if (path === place.paths.history && kind === "torn") return [await keepHistory(call, path)];
  if (kind === "torn") {
    const store = place.store ?? createFileStore(deps, place.paths);
    const id = path.slice(path.lastIndexOf("/") + 1).replace(/\.ndjson$/, "");
    const aside = await store.repairJournal(id);
    return aside === undefined ? [] : [{ path, aside: join(place.paths.journal, aside) }];
  }
  return [await rename(call, path)];
}

/** The lines that can be read stay; the file as it was is kept beside them. */
async function keepHistory(call: BootstrapCall, path: string): Promise<Aside> {
  const { files } = call.deps;
  const bytes = (await files.read(path, { maxBytes: MAX_BYTES })) ?? new Uint8Array();
  const aside = asideName(call, path);
  await files.write(aside, bytes);
  await files.write(
    path,
    historyLines(bytes)
      .good.map((line) => `${line}\n`)
      .join(""),
  );
  return { path, aside };
}

async function rename(call: BootstrapCall, path: string): Promise<Aside> {
  const aside = asideName(call, path);
  await call.deps.files.rename(path, aside);
  call.deps.log.warn("put aside", { path, aside });
  return { path, aside };
}

/** The name under which something is kept that cannot be used: with the time, as the control plane names what it puts aside itself. */
export function asideName({ deps }: Pick<BootstrapCall, "deps">, path: string): string {
  return `${path}.corrupt-${toInstant(deps.clock.now()).replaceAll(/[:.]/g, "")}`;
}

/** Puts aside a kubeconfig that is not this box's, or an archive that containerd cannot read. */
export function putFileAside(call: BootstrapCall, path: string): Promise<Aside> {
  return rename(call, path);
}

/** Gives the state back to the control plane: its owner, and modes that others cannot read through. @returns what was done. */
export async function giveBack(call: BootstrapCall): Promise<readonly string[]> {
  const { deps, settings, signal } = call;
  const faults = await inspectState(deps, settings.paths, signal);
  const open = faults.filter(({ kind }) => kind === "open");
  const strange = faults.some(({ kind }) => kind === "owner");
  if (open.length === 0 && !strange) return [];
  await withStateLease(call, async () => {
    // Written anew instead of chmod, which would follow a link.
    for (const { path } of open) {
      const bytes = await deps.files.read(path, { maxBytes: MAX_BYTES });
      if (bytes !== undefined) await deps.files.write(path, bytes, { mode: 0o600 });
    }
  });
  await giveState(call, settings.paths.state);
  return [
    ...(open.length === 0 ? [] : [`${open.length} files closed`]),
    ...(strange ? ["all files given back to the control plane"] : []),
  ];
}

/** After documents were written by root. */
export function giveStateFolder(call: BootstrapCall): Promise<void> {
  return giveState(call, call.settings.paths.state);
}

function stateBusy(): ApplianceError {
  return new ApplianceError(
    "operation/busy",
    "Cannot change the state folder now: the control plane works on an operation, one that rests is wanted",
    { hint: "Wait until it has ended (alga-appliance status), or stop it in the page, then run this again" },
  );
}
