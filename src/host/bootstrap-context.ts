/** What the steps of one bootstrap share: ports, paths, and how they reach systemd and the cluster. */
import type { ApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps, ExecResult } from "../core/ports.ts";
import { createKube, type Kube } from "../kube/client.ts";
import { findKubeAccess, openConnection } from "../kube/config.ts";
import type { Progress } from "../operation/step.ts";
import type { ChannelQuestion } from "./channel-question.ts";
import { programFailed } from "./containerd.ts";
import type { Follows } from "./control-plane-facts.ts";

export type BootstrapDeps = Pick<
  Deps,
  "clock" | "random" | "machine" | "log" | "files" | "exec" | "transports" | "network"
>;

export interface BootstrapSettings {
  readonly paths: StatePaths;
  /** Content of the host's own files: path on the box -> text. */
  readonly hostFiles: Readonly<Record<string, string>>;
  /** The control plane's manifests: name -> YAML, in the order of applying. */
  readonly manifests: Readonly<Record<string, string>>;
  /** What the box follows, read anew each time; rejects with an `ApplianceError` when its settings cannot be used. */
  readonly follows: () => Promise<Follows>;
  /** Milliseconds for the registry. */
  readonly askMs: number;
  /** Port of the control plane. */
  readonly port: number;
  /** Version of this executable, for the notes of starts. */
  readonly version: string;
  /** Why the settings file was passed over by this process; a start with other settings than the box has would undo its registry. */
  readonly settingsProblem?: ApplianceError;
  /** The operator asks for an older control plane than ran before. */
  readonly allowDowngrade?: boolean;
}

export interface BootstrapContext {
  readonly deps: BootstrapDeps;
  readonly settings: BootstrapSettings;
  /** Asked while others work; absent: the step that needs the answer asks itself. */
  readonly channel?: ChannelQuestion;
}

/** One call of a step. */
export interface BootstrapCall extends BootstrapContext {
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Where k3s puts its kubeconfig. */
export const KUBECONFIG = "etc/rancher/k3s/k3s.yaml";

const SYSTEMCTL_MS = 120_000;

/** The cluster of this box, by the kubeconfig that k3s wrote. @throws {ApplianceError} kube/config while there is none. */
export async function openCluster({
  deps,
  settings,
}: Pick<BootstrapContext, "deps"> & { readonly settings: Pick<BootstrapSettings, "paths"> }): Promise<Kube> {
  const kubeconfig = `${settings.paths.root.replace(/\/$/, "")}/${KUBECONFIG}`;
  const access = await findKubeAccess(deps, { kubeconfig, environment: {} });
  return createKube(deps, openConnection(deps.transports, access));
}

/**
 * Runs a program of the host that must succeed.
 * @throws {ApplianceError} exec/failed with its own last words, and what `Exec` throws.
 */
export async function run(
  call: Pick<BootstrapCall, "signal"> & { readonly deps: Pick<Deps, "exec"> },
  argv: readonly [string, ...string[]],
): Promise<ExecResult> {
  const result = await call.deps.exec(argv, { timeoutMs: SYSTEMCTL_MS, signal: call.signal });
  if (result.code !== 0) throw programFailed(argv.join(" "), result);
  return result;
}
