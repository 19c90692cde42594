/** Checks of the nodes: present, reporting, ready, not under pressure, open for work. */

import { parseInstant } from "../../core/time.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../../kube/model.ts";
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import { condition, nameOf } from "../facts.ts";
import type { KubeletObservation } from "../observation.ts";
import { quietKubelets } from "../quiet-kubelets.ts";
import type { View } from "../view.ts";
import type { CheckCode } from "./check-code.ts";
import type { CheckRule, Explains, Finding } from "./rule.ts";

const ALL_WORK = [
  "pod/*",
  "workload/*",
  "image/*",
  "flux/*",
  "bootstrap/*",
  "login/*",
  "network/*",
  "storage/*",
  "operation/*",
];
const ON_IT: readonly Explains[] = [
  { codes: ALL_WORK, where: "same-node" },
  { codes: ["workload/*", "flux/*", "bootstrap/*", "login/*", "network/*", "operation/*"], where: "any" },
];
const UNPLACED: readonly Explains[] = [{ codes: ["pod/unschedulable"], where: "any" }, ...ON_IT];

export const NODE_CHECKS: readonly CheckRule[] = [
  {
    code: "node/none",
    tier: "platform",
    title: "Kubernetes has a node",
    about: "Without a node nothing can run.",
    next: "Look at the kubelet on the box: journalctl -u k3s --since -10min",
    retrySafe: true,
    needs: ["nodes"],
    explains: [{ codes: ["*"], where: "any" }],
    find: findNone,
  },
  {
    code: "node/silent",
    tier: "platform",
    title: "Every node reports",
    about: "The kubelet has stopped reporting: it was stopped or hangs, or the machine is down, cut off or overloaded.",
    next: "Look at the machine: is it on, has it network, does systemctl status k3s say running",
    retrySafe: true,
    needs: ["nodes"],
    explains: UNPLACED,
    find: findSilent,
  },
  {
    code: "node/not-ready",
    tier: "platform",
    title: "Every node is ready",
    about: "The kubelet reports, and says why it cannot run pods.",
    next: "Look at the kubelet on the box: journalctl -u k3s --since -10min",
    retrySafe: true,
    needs: ["nodes"],
    explains: UNPLACED,
    find: findNotReady,
  },
  pressure({
    code: "node/disk-pressure",
    type: "DiskPressure",
    title: "No node is short of disk",
    people: "the disk of the box is nearly full",
    cause: "Kubernetes stops pods and removes images to make room.",
    next: "Make room on the disk of the box: remove what does not belong there, or make the disk larger",
  }),
  pressure({
    code: "node/memory-pressure",
    type: "MemoryPressure",
    title: "No node is short of memory",
    people: "the box is short of memory",
    cause: "Kubernetes stops pods to free memory.",
    next: "Give the box more memory, or stop what else runs on it",
  }),
  pressure({
    code: "node/process-pressure",
    type: "PIDPressure",
    title: "No node is short of process numbers",
    people: "the box runs too many processes",
    cause: "New processes cannot start.",
    next: "Look at what runs on the box: ps -eo user,comm --sort=user | sort | uniq -c | sort -n | tail",
  }),
  pressure({
    code: "node/network-unavailable",
    type: "NetworkUnavailable",
    title: "Every node has its pod network",
    people: "the network between pods is not set up",
    cause: "Pods cannot reach each other on this node.",
    next: "Look at the network plugin on the box: journalctl -u k3s --since -10min",
  }),
  {
    code: "node/closed",
    tier: "platform",
    title: "Every node accepts pods",
    about: "A node is cordoned or carries a taint that keeps the pods of the appliance away.",
    next: "Open the node again when the work on it is done: kubectl uncordon <node>",
    retrySafe: false,
    needs: ["nodes"],
    explains: [{ codes: ["pod/unschedulable"], where: "any" }],
    find: findClosed,
  },
];

function findNone(view: View): Finding[] {
  if (view.items("nodes").length > 0) return [];
  return [
    {
      scope: {},
      headline: "Kubernetes has no node",
      title: "Kubernetes has no node to run on.",
      cause: "The API answers, but no machine has joined it yet.",
      evidence: [evidence("Nodes", "The list is empty.")],
      state: "failed",
    },
  ];
}

function findSilent(view: View): Finding[] {
  const quiet = quietKubelets(view.seen);
  return view.items("nodes").flatMap((node) => {
    const name = oneLine(nameOf(node), 80);
    const ready = condition(node, "Ready");
    const kubelet = quiet.get(nameOf(node));
    if (kubelet === undefined && ready?.status !== "Unknown") return [];
    const since = [kubelet?.heardAtMs, ready?.status === "Unknown" ? ready.sinceMs : undefined];
    const sinceMs = since.filter((ms) => ms !== undefined).sort((a, b) => a - b)[0];
    return [
      {
        scope: { node: name },
        headline: `node ${name} has stopped reporting`,
        title: `Node ${name} has stopped reporting.`,
        cause: `Nothing was heard from its kubelet for ${age(view, sinceMs)}; what runs there is not known.`,
        evidence: [
          ...(kubelet === undefined ? [] : [evidence(`Lease kube-node-lease/${name}`, leaseSays(kubelet))]),
          evidence(`Node ${name}`, says(ready)),
        ],
        ...(kubelet?.port === "refuses" ? { next: STOPPED_NEXT } : {}),
        sinceMs,
      },
    ];
  });
}

const STOPPED_NEXT =
  "Start the kubelet and see what it says: systemctl restart k3s; journalctl -u k3s --since -10min (kubelet, where it is a unit of its own)";

const PORT_SAYS: Readonly<Record<KubeletObservation["port"], string>> = {
  refuses: "Nothing listens on the health port of the kubelet (127.0.0.1:10248): it does not run.",
  silent: "The kubelet gives no good answer on its health port (127.0.0.1:10248).",
  answers: "The kubelet says on its health port (127.0.0.1:10248) that it is well.",
  unknown: "",
};

function leaseSays({ port }: KubeletObservation): string {
  return `The kubelet has not renewed it; every 10 s is usual. ${PORT_SAYS[port]}`.trimEnd();
}

function findNotReady(view: View): Finding[] {
  const quiet = quietKubelets(view.seen);
  const heard = nodesWith(view, "False", "").filter(({ node }) => !quiet.has(nameOf(node)));
  return heard.map(({ name, node, ready }) => ({
    scope: { node: name },
    headline: `node ${name} is not ready`,
    title: `Node ${name} is not ready.`,
    cause:
      ready === undefined
        ? "It has just joined and has not reported yet."
        : `Its kubelet says: ${oneLine(says(ready))}.`,
    evidence: [evidence(`Node ${name}`, says(ready))],
    sinceMs: ready?.sinceMs ?? parseInstant(textAt(node, "metadata", "creationTimestamp")),
    state: ready === undefined || view.nowMs - (ready.sinceMs ?? 0) < GRACE_MS ? "progressing" : "failed",
  }));
}

/** A node that starts is not ready for half a minute until its network is there. */
const GRACE_MS = 60_000;

function nodesWith(view: View, ...statuses: readonly string[]) {
  return view
    .items("nodes")
    .map((node) => ({ node, name: oneLine(nameOf(node), 80), ready: condition(node, "Ready") }))
    .filter(({ ready }) => statuses.includes(ready?.status ?? ""));
}

interface Pressure {
  readonly code: CheckCode;
  readonly type: string;
  readonly title: string;
  readonly people: string;
  readonly cause: string;
  readonly next: string;
}

function pressure(given: Pressure): CheckRule {
  return {
    code: given.code,
    tier: "platform",
    title: given.title,
    about: `A node reports the condition ${given.type}.`,
    next: given.next,
    retrySafe: true,
    needs: ["nodes"],
    explains: UNPLACED,
    find: (view) =>
      view.items("nodes").flatMap((node) => {
        const found = condition(node, given.type);
        const name = oneLine(nameOf(node), 80);
        if (found?.status !== "True") return [];
        return [
          {
            scope: { node: name },
            headline: given.people,
            title: `Node ${name} reports ${given.type}.`,
            cause: given.cause,
            evidence: [evidence(`Node ${name}`, says(found))],
            sinceMs: found.sinceMs,
          },
        ];
      }),
  };
}

/** Taints that Kubernetes sets by itself for what the other checks already say. */
const OWN_TAINTS = /^node\.kubernetes\.io\/|^node\.cloudprovider\.kubernetes\.io\//;

function findClosed(view: View): Finding[] {
  return view.items("nodes").flatMap((node) => {
    const name = oneLine(nameOf(node), 80);
    const taints = closingTaints(node);
    const cordoned = fieldAt(node, "spec", "unschedulable") === true;
    if (!cordoned && taints.length === 0) return [];
    return [
      {
        scope: { node: name },
        headline: `node ${name} is closed for new pods`,
        title: cordoned ? `Node ${name} is cordoned.` : `Node ${name} carries a taint.`,
        cause: "Running pods go on; a pod that must start again finds no place.",
        evidence: [evidence(`Node ${name}`, cordoned ? "spec.unschedulable: true" : taints.join("\n"))],
        next: cordoned
          ? `Open it again when the work on it is done: kubectl uncordon ${name}`
          : `Remove the taint: kubectl taint node ${name} ${taints[0] ?? ""}-`,
      },
    ];
  });
}

function closingTaints(node: KubeObject): string[] {
  return listAt(node, "spec", "taints").flatMap((taint) => {
    const key = textAt(taint, "key") ?? "";
    const effect = textAt(taint, "effect") ?? "";
    if (OWN_TAINTS.test(key) || key === "" || effect === "PreferNoSchedule") return [];
    const value = textAt(taint, "value");
    return [`${key}${value === undefined || value === "" ? "" : `=${value}`}:${effect}`];
  });
}

function says(ready: { reason: string; message: string } | undefined): string {
  if (ready === undefined) return "The node has no Ready condition.";
  return ready.message === "" ? ready.reason : `${ready.reason}: ${ready.message}`;
}

function age(view: View, sinceMs: number | undefined): string {
  return sinceMs === undefined ? "a while" : ageText(view.nowMs - sinceMs);
}
