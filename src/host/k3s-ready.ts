/** Waits until Kubernetes of this box answers and its node is ready, and says meanwhile what stands in the way. */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Kube } from "../kube/calls.ts";
import { readinessOf } from "../kube/readiness.ts";
import { problemOf, type StepResult } from "../operation/step.ts";
import { type BootstrapCall, openCluster } from "./bootstrap-context.ts";
import { k3sProblem, noAddress } from "./k3s-causes.ts";
import { closeKubeconfig } from "./k3s-config.ts";

/** Milliseconds between looks: the whole start waits for it. */
const LOOK_MS = 1_000;
/** Milliseconds without a complaint: a first start takes that long anyway. */
const QUIET_MS = 30_000;
const JOURNAL_MS = 10_000;

/**
 * Waits for readiness. Safe to call again; the step's budget ends it, with the last cause as its problem.
 * @throws {ApplianceError} the host/ code of a cause that waiting does not mend, as soon as k3s has given up.
 */
export async function waitForK3s(call: BootstrapCall): Promise<StepResult> {
  const startedMs = call.deps.clock.monotonic();
  for (;;) {
    const seen = await look(call);
    if (seen === undefined) {
      if (await closeKubeconfig(call)) call.deps.log.warn("kubeconfig was readable by others, and is closed now");
      return { state: "done", detail: "The node is ready" };
    }
    const waitedMs = call.deps.clock.monotonic() - startedMs;
    // Its unit may wait for the network for minutes, without a word.
    if ((await call.deps.network.addresses()).length === 0) call.progress(seen, problemOf(noAddress(seen)));
    else if (waitedMs < QUIET_MS) call.progress(seen);
    else call.progress(seen, problemOf(k3sProblem(await lastWords(call), seen)));
    if (await hasFailed(call)) throw k3sProblem(await lastWords(call), "systemd has given up starting it");
    await call.deps.clock.sleep(LOOK_MS, call.signal);
  }
}

/** What is not ready yet, in words; undefined when all is. */
async function look(call: BootstrapCall): Promise<string | undefined> {
  // The one that is about to end still answers, and its node is ready.
  if ((await unitState(call)) === "deactivating") return "it stops before it starts anew";
  let kube: Kube;
  try {
    kube = await openCluster(call);
  } catch (thrown) {
    if (!isApplianceError(thrown, "kube/config")) throw thrown;
    return "it has not written its kubeconfig yet";
  }
  try {
    const { items } = await kube.list({ apiVersion: "v1", kind: "Node" }, { signal: call.signal });
    const states = items.map((node) => readinessOf(node));
    if (states.length === 0) return "its node has not joined yet";
    const waiting = states.find(({ state }) => state !== "ready");
    return waiting === undefined ? undefined : `its node is not ready: ${waiting.message}`;
  } catch (thrown) {
    if (isApplianceError(thrown, "internal/aborted", "internal/timeout") || !(thrown instanceof ApplianceError))
      throw thrown;
    return `its API does not answer as it should: ${thrown.message}`;
  }
}

async function hasFailed(call: BootstrapCall): Promise<boolean> {
  return (await unitState(call)) === "failed";
}

/** As systemd says it: active, activating, deactivating, failed, inactive. */
async function unitState({ deps, signal }: BootstrapCall): Promise<string> {
  const { stdout } = await deps.exec(["systemctl", "is-active", "k3s.service"], { timeoutMs: JOURNAL_MS, signal });
  return stdout.trim();
}

/** The last lines of k3s in this boot; empty where the journal cannot be read. */
async function lastWords({ deps, signal }: BootstrapCall): Promise<string> {
  const argv = ["journalctl", "-u", "k3s.service", "-b", "-n", "120", "-o", "cat", "--no-pager"] as const;
  const result = await deps.exec(argv, { timeoutMs: JOURNAL_MS, maxBytes: 64 * 1024, signal });
  return result.code === 0 ? result.stdout : "";
}
