/** `host resolve-control-plane-image`: which control plane this box would run now, and why. Changes nothing. */
import type { Command, CommandContext } from "../cli/command.ts";
import { parseDuration } from "../core/duration.ts";
import { EXIT, type ExitCode, isApplianceError } from "../core/errors.ts";
import { type StatePaths, statePaths } from "../core/paths.ts";
import { createKube, type Kube } from "../kube/client.ts";
import { findKubeAccess, openConnection } from "../kube/config.ts";
import { createFileStore } from "../operation/file-store.ts";
import {
  REGISTRY_FLAGS,
  RELEASE_FLAGS,
  type RegistryContext,
  registryAccess,
  releaseRefOf,
  TRUST_FLAGS,
} from "../release/registry-flags.ts";
import type { ReleaseRef } from "../release/resolve.ts";
import { readInstalled } from "../status/installed.ts";
import { listImages } from "./containerd.ts";
import { chooseControlPlane } from "./control-plane-choice.ts";
import { type FactsOptions, type Follows, gatherControlPlaneFacts } from "./control-plane-facts.ts";

/** The first boot of a box without a network must not wait longer than this for a registry. */
const ASK = "8s";

export const commands: readonly Command[] = [
  {
    path: ["host", "resolve-control-plane-image"],
    summary: "Print which control plane this box would run now, and why",
    description:
      "The channel's image when it can be had; else the one that runs, or the last one that was healthy; the one of the ISO only on " +
      "a box on which nothing newer ran. Reads only.",
    flags: [
      { name: "ask", type: "string", value: "<duration>", summary: "Longest wait for the registry", fallback: ASK },
      { name: "allow-downgrade", type: "boolean", summary: "Take an older image too: you ask for exactly that" },
      { name: "kubeconfig", type: "string", value: "<file>", summary: "Kubeconfig of the cluster" },
      ...RELEASE_FLAGS,
      ...TRUST_FLAGS,
      ...REGISTRY_FLAGS,
    ],
    examples: [
      { command: "alga-appliance host resolve-control-plane-image", about: "The image on the first line, then why" },
      {
        command: "alga-appliance host resolve-control-plane-image --channel nightly --ask 30s -o json",
        about: "Another channel, with everything that counted",
      },
    ],
    run: resolveImage,
  },
];

async function resolveImage(context: CommandContext): Promise<ExitCode> {
  const facts = await gatherControlPlaneFacts(context.deps, await factsOptions(context));
  const choice = chooseControlPlane(facts);
  context.out.result({ ...choice, facts }, () => `${choice.image}\n${choice.why}`);
  return EXIT.done;
}

async function factsOptions(context: CommandContext): Promise<FactsOptions> {
  const { settings, flags } = context;
  const paths = statePaths(settings.get("root") ?? "/");
  const kube = await clusterOf(context);
  return {
    paths,
    ...(kube === undefined ? {} : { kube }),
    images: await imagesOf(context, paths),
    follows: await followsOf(context, paths),
    askMs: parseDuration(typeof flags.ask === "string" ? flags.ask : ASK),
    allowDowngrade: flags["allow-downgrade"] === true,
    signal: context.signal,
  };
}

/** What a box follows and where. Throws as `registryAccess` does. */
export async function followsOf(context: RegistryContext, paths: StatePaths): Promise<Follows> {
  return { registry: await registryAccess(context), ref: await refOfBox(context, paths) };
}

/** The release that flags name; else the one that this box follows; else the channel of its settings. */
async function refOfBox(context: RegistryContext, paths: StatePaths): Promise<ReleaseRef> {
  const named = ["channel", "version", "digest"].some((flag) => context.flags[flag] !== undefined);
  if (named) return releaseRefOf(context);
  const store = createFileStore(context.deps, paths, { leaveDamaged: true });
  const installed = await readInstalled({ store, log: context.deps.log });
  if (installed === undefined) return releaseRefOf(context);
  return installed.channel === null ? { version: installed.version } : { channel: installed.channel };
}

/** The cluster, where there is a way to it; before k3s has started there is none. */
async function clusterOf({ deps, settings, env }: CommandContext): Promise<Kube | undefined> {
  try {
    const access = await findKubeAccess(deps, { kubeconfig: settings.get("kubeconfig"), environment: env });
    return createKube(deps, openConnection(deps.transports, access));
  } catch (thrown) {
    if (!isApplianceError(thrown, "kube/config") || settings.get("kubeconfig") !== undefined) throw thrown;
    return undefined;
  }
}

/** What the node has; nothing where no k3s is installed or its containerd does not run. */
async function imagesOf({ deps, signal }: CommandContext, paths: StatePaths): Promise<ReadonlySet<string>> {
  try {
    return await listImages(deps, paths, signal);
  } catch (thrown) {
    if (!isApplianceError(thrown, "exec/not-found", "exec/failed")) throw thrown;
    deps.log.info("images of the node are not known", { error: thrown });
    return new Set();
  }
}
