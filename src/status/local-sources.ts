/** The sources of a status that is folded on the spot: a kubeconfig, and the state folder where it may be read. */
import type { CommandContext } from "../cli/command.ts";
import { publicError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import type { Clock, Fetch } from "../core/ports.ts";
import { createKube } from "../kube/client.ts";
import { findKubeAccess, openConnection } from "../kube/config.ts";
import { corruptRun } from "../operation/corrupt.ts";
import { createFileStore } from "../operation/file-store.ts";
import { foldJournal, type Run } from "../operation/fold.ts";
import type { StateStore } from "../operation/store.ts";
import { createResolvedStore } from "../release/resolved-store.ts";
import { createBoxReader, createHostLook } from "./box.ts";
import type { BoxFacts, StatusSources } from "./sources.ts";

/**
 * Opens everything that can be had; what cannot is named by the status itself.
 *
 * @param options.looksOnce For a process that does not live long enough to count a kubelet's silence by itself.
 */
export async function openLocalSources(
  context: CommandContext,
  options: { readonly looksOnce?: boolean } = {},
): Promise<StatusSources> {
  const { deps } = context;
  const paths = statePaths(context.settings.get("root") ?? "/");
  const store = createFileStore(deps, paths, { leaveDamaged: true });
  const { kubeNow, ...cluster } = await openCluster(context);
  const kube = "kube" in cluster ? { kube: cluster.kube } : {};
  let newest: Pick<Run, "view" | "plan"> | undefined;
  const readBox = createBoxReader(deps, {
    paths,
    store,
    ...kube,
    releases: createResolvedStore(deps, paths.resolvedReleases),
    name: context.settings.get("name"),
    version: context.build.version,
    operations: { current: () => newest?.view, planOf: async () => newest?.plan },
  });
  // Addresses of Services can be reached from the box itself only.
  const isOnBox = (await deps.files.stat(paths.state).catch(() => undefined)) !== undefined;
  const direct = deps.transports.open();
  return {
    ...cluster,
    ...(kubeNow === undefined || options.looksOnce !== true ? {} : { kubeNow }),
    box: async () => {
      newest = await newestRun(store).catch(() => undefined);
      return readBox().catch((): BoxFacts => nothingKnown(context));
    },
    operations: { current: () => newest?.view, subscribe: () => () => {} },
    ...(isOnBox ? { host: createHostLook(deps, paths) } : {}),
    login: { outside: direct, ...(isOnBox ? { inside: direct } : {}) },
  };
}

async function openCluster(context: CommandContext): Promise<Pick<StatusSources, "kube" | "kubeProblem" | "kubeNow">> {
  const kubeconfig = context.settings.get("kubeconfig");
  try {
    const access = await findKubeAccess(context.deps, { kubeconfig, environment: context.env });
    const { fetch, kubeNow } = timed(context.deps.clock, context.deps.transports.open(access.transport));
    return { kube: createKube(context.deps, { ...openConnection(context.deps.transports, access), fetch }), kubeNow };
  } catch (thrown) {
    return { kubeProblem: publicError(thrown).message };
  }
}

/** Notes the time that each answer tells in its head, and goes on from it by the clock that never jumps. */
function timed(
  clock: Pick<Clock, "monotonic">,
  fetch: Fetch,
): { readonly fetch: Fetch; readonly kubeNow: () => number | undefined } {
  let last: { readonly serverMs: number; readonly atMs: number } | undefined;
  return {
    fetch: async (request) => {
      const response = await fetch(request);
      const serverMs = Date.parse(response.headers.get("date") ?? "");
      if (!Number.isNaN(serverMs)) last = { serverMs, atMs: clock.monotonic() };
      return response;
    },
    kubeNow: () => (last === undefined ? undefined : last.serverMs + clock.monotonic() - last.atMs),
  };
}

/** The journal tells how far the newest operation is, whoever runs it; one that cannot be read is told as that. */
async function newestRun(store: StateStore): Promise<Run | undefined> {
  const id = (await store.listJournals()).at(-1);
  const journal = id === undefined ? undefined : await store.readJournal(id);
  if (id === undefined || journal === undefined) return undefined;
  return foldJournal(id, journal.entries) ?? corruptRun(store, id);
}

/** An operator without the right to read the state folder still sees the cluster. */
function nothingKnown(context: CommandContext): BoxFacts {
  return {
    appliance: { id: "", name: "", version: context.build.version, addresses: [], rehearsal: false },
    claimed: null,
    installed: null,
    bootstrap: null,
    urls: { login: null, setup: null },
  };
}
