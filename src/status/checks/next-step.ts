/**
 * Next steps that depend on what can be done now: setup can be started anew only until it has ended, and what Flux and Helm
 * manage is put back by asking them.
 */
import { oneLine } from "../evidence.ts";
import type { View } from "../view.ts";
import type { Finding } from "./rule.ts";

type Next = Pick<Finding, "next">;

/** Where setup can still write something: start it anew. Nothing where it has ended: the next step of the rule holds. */
export function startAnew({ seen }: View, deed: string): Next {
  const { operation } = seen;
  if (operation?.kind !== "setup" || operation.state === "done") return {};
  const again = operation.endedAt === null ? "Cancel setup and start it again" : "Start setup again";
  return { next: `${again}, which ${deed}` };
}

/** Another next step while setup has not ended, or has not begun. */
export function nextInSetup({ seen }: View, next: string): Next {
  const { operation, installed } = seen;
  const isOpen = operation === null ? installed === null : operation.kind === "setup" && operation.state !== "done";
  return isOpen ? { next } : {};
}

/** The command by which Flux looks at one of its objects now. @see Flux, "Triggering a reconcile" */
export function asked(kind: string, of: { readonly namespace: string; readonly name: string }): string {
  const place = `kubectl -n ${oneLine(of.namespace, 63)} annotate ${kind} ${oneLine(of.name, 63)}`;
  return `${place} reconcile.fluxcd.io/requestedAt="$(date +%s)" --overwrite`;
}

/** The command by which Helm installs a component once more over what is there. @see Flux, HelmRelease, "Forcing a release" */
export function helmAgain({ seen }: View, component: string | undefined, deed: string): Next {
  const found = seen.components.find((one) => one.name === component);
  if (found === undefined) return {};
  const place = `kubectl -n ${oneLine(found.releaseNamespace, 63)} annotate helmrelease ${oneLine(found.name, 63)}`;
  const marks = "reconcile.fluxcd.io/requestedAt=$T reconcile.fluxcd.io/forceAt=$T";
  return { next: `${deed}: T=$(date +%s); ${place} ${marks} --overwrite` };
}
