/** Checks of the ways out and inside: the registry, and the name service of the cluster. */

import { readinessOf } from "../../kube/readiness.ts";
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import { condition, createdMs, nameOf, namespaceOf } from "../facts.ts";
import { FRESH_MS, type RegistryObservation } from "../observation.ts";
import { isSourceReady } from "../source-state.ts";
import type { View } from "../view.ts";
import { registryDoubt } from "./doubt.ts";
import { type CheckRule, type Explains, type Finding, type RuleWords, wordsOf } from "./rule.ts";

const NO_REGISTRY: readonly Explains[] = [
  {
    codes: ["image/network", "image/registry-name", "image/certificate", "image/unauthorized", "image/pull-failed"],
    where: "any",
  },
  {
    codes: ["flux/source-network", "flux/source-certificate", "flux/source-unauthorized", "flux/source-not-ready"],
    where: "any",
  },
  { codes: ["flux/helm-chart-missing", "operation/*"], where: "any" },
];
const GRACE_MS = 180_000;

interface Row extends RuleWords {
  readonly state: RegistryObservation["state"];
  readonly headline: (host: string) => string;
}

const ROWS: readonly Row[] = [
  {
    state: "no-such-name",
    code: "registry/no-such-name",
    title: "The registry's name resolves",
    about: "The name servers do not know the registry.",
    next: "Check the name of the registry and the name servers of the box: resolvectl query <registry>",
    retrySafe: true,
    headline: (host) => `the name ${host} does not resolve`,
  },
  {
    state: "refused",
    code: "registry/refused",
    title: "The registry accepts connections",
    about: "The registry's address is known, but nothing accepts a connection there.",
    next: "Check the address and port of the registry, and the firewall or proxy on the way",
    retrySafe: true,
    headline: (host) => `the registry ${host} does not accept connections`,
  },
  {
    state: "no-answer",
    code: "registry/no-answer",
    title: "The registry answers in time",
    about: "The registry does not answer in time: mostly a firewall or a proxy on the way.",
    next: "Check the way to the registry: cable, firewall, proxy",
    retrySafe: true,
    headline: (host) => `the registry ${host} does not answer`,
  },
  {
    state: "certificate",
    code: "registry/certificate",
    title: "The registry's certificate is trusted",
    about: "The certificate of the registry is not trusted here, or a proxy puts its own in between.",
    next: "Give the registry's certificate authority: --registry-ca <pem>",
    retrySafe: false,
    headline: (host) => `the certificate of the registry ${host} is not trusted`,
  },
  {
    state: "denied",
    code: "registry/denied",
    title: "The registry accepts our credentials",
    about: "The registry answers, but turns the credentials away.",
    next: "Put in registry credentials that are valid",
    retrySafe: false,
    headline: (host) => `the registry ${host} rejects the credentials`,
  },
  {
    state: "broken",
    code: "registry/broken",
    title: "The registry speaks its protocol",
    about: "Something answers at the registry's address, but not as a registry does.",
    next: "Check the address of the registry; if it is right, tell whoever runs it",
    retrySafe: true,
    headline: (host) => `the registry ${host} gives wrong answers`,
  },
];

export const NETWORK_CHECKS: readonly CheckRule[] = [
  {
    code: "network/cluster-dns",
    tier: "platform",
    title: "The name service of the cluster runs",
    about: "CoreDNS does not run, so no part of the appliance finds another by name.",
    next: "Look at its pods: kubectl -n kube-system get pods -l k8s-app=kube-dns",
    retrySafe: true,
    needs: ["deployments"],
    explains: [{ codes: ["pod/*", "workload/*", "bootstrap/*", "flux/*", "login/*", "operation/*"], where: "any" }],
    find: findClusterDns,
  },
  ...ROWS.map(
    (row): CheckRule => ({
      ...wordsOf(row),
      tier: "platform",
      needs: [],
      doubt: registryDoubt,
      explains: NO_REGISTRY,
      find: (view) => findRegistry(view, row),
    }),
  ),
];

function findClusterDns(view: View): Finding[] {
  return view
    .items("deployments")
    .filter((one) => namespaceOf(one) === "kube-system" && nameOf(one) === "coredns")
    .flatMap((one) => {
      const { state, message } = readinessOf(one);
      if (state === "ready") return [];
      const sinceMs = condition(one, "Available")?.sinceMs ?? createdMs(one);
      const ageMs = view.nowMs - (sinceMs ?? view.nowMs);
      return [
        {
          scope: {},
          state: state === "failed" || ageMs > GRACE_MS ? ("failed" as const) : ("progressing" as const),
          headline: "the name service of the cluster does not run",
          title: "The name service of the cluster does not run.",
          cause: `${oneLine(message).replace(/\.$/, "")}, for ${ageText(ageMs)}.`,
          evidence: [evidence("Deployment kube-system/coredns", message)],
          sinceMs,
        },
      ];
    });
}

/** A registry that is away is nobody's trouble while nothing wants to be pulled: the box runs on what it has. */
function findRegistry(view: View, row: Row): Finding[] {
  const { registry } = view.seen;
  if (registry === null || registry.state !== row.state || view.nowMs - registry.atMs > FRESH_MS.registry) return [];
  const host = oneLine(registry.host, 120);
  const needed = isRegistryNeeded(view);
  return [
    {
      scope: {},
      state: needed ? "failed" : "unknown",
      headline: row.headline(host),
      title: `${capital(row.headline(host))}.`,
      cause: needed
        ? `It has been so for ${ageText(view.nowMs - registry.sinceMs)}, and something has to be pulled from it.`
        : "Nothing has to be pulled now, so the appliance goes on without it.",
      evidence: [evidence(`Registry ${host}`, registry.text)],
      ...(needed ? {} : { next: null }),
      sinceMs: registry.sinceMs,
    },
  ];
}

/** Whether something has to be pulled from the registry now or soon. */
export function isRegistryNeeded(view: View): boolean {
  const { operation, installed } = view.seen;
  if (operation !== null && ["running", "waiting", "blocked", "paused"].includes(operation.state)) return true;
  if (installed === null && !view.installing) return view.seen.claimed === true;
  const pulls = view.pods.some((pod) =>
    pod.containers.some((one) => ["ErrImagePull", "ImagePullBackOff"].includes(one.waiting?.reason ?? "")),
  );
  return pulls || view.items("ociRepositories").some((one) => !isSourceReady(one));
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
