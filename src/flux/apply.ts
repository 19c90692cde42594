/** Objects of ours applied by a step, each told as it is done. */

import type { Deps } from "../core/ports.ts";
import { applySet } from "../kube/apply-set.ts";
import type { Kube } from "../kube/calls.ts";
import type { KubeObject } from "../kube/model.ts";
import type { Progress, StepResult } from "../operation/step.ts";

/** What a step that applies objects may touch. */
export interface ApplyCall {
  readonly context: { readonly deps: Pick<Deps, "clock"> & { readonly kube: Kube } };
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Applies objects of ours and tells each. Throws as `applySet` does. Safe to call again. */
export async function applyAll(call: ApplyCall, objects: readonly KubeObject[]): Promise<StepResult> {
  const { created, changed, unchanged } = await applySet(call.context.deps, objects, {
    signal: call.signal,
    onProgress: (applied, done, total) => call.progress(`${done} of ${total}: ${applied.ref.kind} ${applied.ref.name}`),
  });
  return { state: "done", detail: `${created} created, ${changed} changed, ${unchanged} unchanged` };
}
