/**
 * The diagnosis: from what was seen of a box to what is wrong, why, by which evidence, and what recover does about it. Pure.
 *
 * One row for each kind of damage, in the order in which they explain each other: what stands above is mended first.
 */
import type { Evidence } from "../core/evidence.ts";
import { hasRunningImage, type Seen } from "./recover-look.ts";
import type { StateFault } from "./recover-state.ts";

/** One thing that is wrong. */
export interface Finding {
  readonly code: FindingCode;
  /** What is wrong, one sentence. */
  readonly title: string;
  /** What that means or comes from. */
  readonly cause: string;
  readonly evidence: readonly Evidence[];
  /** What recover does about it; null: it cannot. */
  readonly mend: string | null;
  /** What is left for the operator; null: nothing. */
  readonly next: string | null;
}

export type FindingCode =
  | "disk-full"
  | "clock-wrong"
  | "authority-ended"
  | "no-cgroup"
  | "no-network"
  | "executable-gone"
  | "payload-gone"
  | "k3s-gone"
  | "k3s-stopped"
  | "k3s-not-at-boot"
  | "kubeconfig"
  | "kubernetes-silent"
  | "node-not-ready"
  | "control-plane-gone"
  | "control-plane-off"
  | "control-plane-image-gone"
  | "control-plane-unhealthy"
  | "control-plane-silent"
  | "port-taken"
  | "settings-file"
  | "state-folder"
  | "state-file"
  | "state-journal"
  | "state-owner"
  | "state-open"
  | "credential-lost"
  | "document-lost";

type Rule = (seen: Seen) => readonly Finding[];

/** All findings, roots first. Empty: nothing is wrong that can be seen. */
export function diagnose(seen: Seen): readonly Finding[] {
  return RULES.flatMap((rule) => rule(seen));
}

const one = (code: FindingCode, finding: Omit<Finding, "code">): readonly Finding[] => [{ code, ...finding }];
const fact = (ref: string, text: string): readonly Evidence[] => [{ ref, text }];

const RULES: readonly Rule[] = [
  settingsFile,
  stateFolders,
  stateFiles,
  stateJournals,
  stateOwners,
  stateOpen,
  machine,
  network,
  executable,
  payload,
  k3sProgram,
  k3sUnit,
  k3sAtBoot,
  kubeconfig,
  kubernetes,
  controlPlane,
  lostDocuments,
];

const of = ({ state }: Seen, ...kinds: readonly StateFault["kind"][]): readonly StateFault[] =>
  state.filter(({ kind }) => kinds.includes(kind));
const isJournal = ({ path }: StateFault): boolean => path.endsWith(".ndjson");
const evidenceOf = (faults: readonly StateFault[]): readonly Evidence[] =>
  faults.slice(0, 20).map(({ path, why }) => ({ ref: path, text: why }));

function settingsFile({ settingsFile: fault }: Seen): readonly Finding[] {
  if (fault === undefined) return [];
  return one("settings-file", {
    title: "The settings of the box cannot be used",
    cause: "Their file was changed by hand, or damaged: neither the page nor the next start reads it.",
    evidence: fact(fault.path, fault.why),
    mend: "It is kept under another name, and written anew with what can be read of it and what is installed.",
    next: null,
  });
}

function stateFolders(seen: Seen): readonly Finding[] {
  return of(seen, "missing", "not-a-folder").flatMap((fault) =>
    one("state-folder", {
      title: `The folder ${fault.path} is gone`,
      cause: "Passwords, answers and journals of the appliance lay there.",
      evidence: evidenceOf([fault]),
      mend:
        fault.kind === "missing"
          ? "The folder is made anew."
          : "What has its name is renamed, and the folder is made anew.",
      next: null,
    }),
  );
}

function stateFiles(seen: Seen): readonly Finding[] {
  return of(seen, "damaged")
    .filter((fault) => !isJournal(fault))
    .flatMap((fault) => {
      const isCredential = fault.path.endsWith("/admin-credential.json");
      return one(isCredential ? "credential-lost" : "state-file", {
        title: `The file ${fault.path} cannot be used`,
        cause: isCredential
          ? "It holds the management password's check value: without it nobody can log in."
          : "The disk or a power cut damaged it, or somebody wrote over it.",
        evidence: evidenceOf([fault]),
        mend: "It is renamed, never deleted; what the cluster knows of it is written anew.",
        next: isCredential ? "Claim the appliance again, with the setup token that the console shows." : null,
      });
    });
}

function stateJournals(seen: Seen): readonly Finding[] {
  const faults = of(seen, "damaged", "torn").filter(isJournal);
  if (faults.length === 0) return [];
  return one("state-journal", {
    title: `${faults.length === 1 ? "A journal" : `${faults.length} journals`} of operations cannot be read to the end`,
    cause: "The power failed while it was written, or the disk lost some of it.",
    evidence: evidenceOf(faults),
    mend: "What can be read stays; the rest is put beside it under another name.",
    next: null,
  });
}

function stateOwners(seen: Seen): readonly Finding[] {
  return of(seen, "owner").flatMap((fault) =>
    one("state-owner", {
      title: `Files of ${fault.path} do not belong to the control plane`,
      cause: "They were copied or restored by another user; the control plane cannot read them.",
      evidence: evidenceOf([fault]),
      mend: "They are given back to user 10001.",
      next: null,
    }),
  );
}

function stateOpen(seen: Seen): readonly Finding[] {
  const faults = of(seen, "open");
  if (faults.length === 0) return [];
  return one("state-open", {
    title: "Others can read files that hold secrets",
    cause: "They were copied or restored without their modes.",
    evidence: evidenceOf(faults),
    mend: "They are closed: mode 0600.",
    next: "Choose new passwords when others use this box.",
  });
}

const OF_MACHINE: Readonly<Record<string, readonly [code: FindingCode, title: string, cause: string]>> = {
  "host/disk-full": ["disk-full", "The disk has no room", "Nothing new can be unpacked, and Kubernetes ends pods."],
  "host/clock-wrong": [
    "clock-wrong",
    "The clock of the box is wrong",
    "Its own certificates are not valid at that time.",
  ],
  "host/certificates-expired": [
    "authority-ended",
    "The authority of this box's Kubernetes has ended",
    "No certificate that it made is valid any more, or the clock is wrong.",
  ],
  "host/no-cgroup": ["no-cgroup", "The kernel counts no memory for containers", "Kubernetes cannot start on it."],
};

/** What no command of the appliance can mend: recover stops there, and goes on when it is mended. */
function machine({ machine: faults }: Seen): readonly Finding[] {
  return faults.flatMap((fault) => {
    const [code, title, cause] = OF_MACHINE[fault.code] ?? [];
    if (code === undefined || title === undefined || cause === undefined) return [];
    const next = `${fault.hint ?? "Mend it"}; then run recover again.`;
    return one(code, { title, cause, evidence: fact(fault.code, fault.message), mend: null, next });
  });
}

function network({ addresses }: Seen): readonly Finding[] {
  if (addresses === undefined || addresses.length > 0) return [];
  return one("no-network", {
    title: "The box has no network",
    cause: "Its cable is out, nobody gave it an address, or its network settings do not fit.",
    evidence: fact("ip address", "no network card has an address"),
    mend: null,
    next: "Plug it in, or set an address: alga-appliance console network set. The rest is put right without it.",
  });
}

function executable({ executable: { path, isThere }, isBox }: Seen): readonly Finding[] {
  if (!isBox || isThere) return [];
  return one("executable-gone", {
    title: "The executable is not where the units look for it",
    cause: "Without it nothing of the appliance starts with the box.",
    evidence: fact(path, "there is no such file"),
    mend: "This executable is copied there.",
    next: null,
  });
}

function payload({ payload: { folder, controlPlaneArchives }, isBox }: Seen): readonly Finding[] {
  if (!isBox || controlPlaneArchives > 0) return [];
  return one("payload-gone", {
    title: "The payload of the ISO holds no control plane",
    cause: "Its folder was emptied or removed; every boot needs it when containerd lost the image.",
    evidence: fact(`${folder}/control-plane/images`, "there is no archive"),
    mend: "An archive of the control plane is made of this executable and of the libraries of this system.",
    next: null,
  });
}

function k3sProgram({ k3s, isBox }: Seen): readonly Finding[] {
  if (!isBox || k3s.program === "installed") return [];
  const isThere = k3s.program === "payload";
  return one("k3s-gone", {
    title: "The program k3s is gone",
    cause: "Nothing can run without it.",
    evidence: fact(k3s.path, "there is no such file"),
    mend: isThere ? "It is installed from the payload." : null,
    next: isThere ? null : `Put k3s back as ${k3s.path}, from the ISO, then run recover again.`,
  });
}

function k3sUnit({ k3s, isBox }: Seen): readonly Finding[] {
  if (!isBox || ["active", "activating", "reloading"].includes(k3s.unit)) return [];
  return one("k3s-stopped", {
    title: "Kubernetes does not run",
    cause: k3s.unit === "failed" ? "Its service ended with a failure." : "Its service was stopped.",
    evidence: fact("systemctl is-active k3s.service", k3s.unit),
    mend: "It is started; what hinders it is told.",
    next: null,
  });
}

function k3sAtBoot({ k3s, isBox }: Seen): readonly Finding[] {
  if (!isBox || !["disabled", "masked", "masked-runtime"].includes(k3s.atBoot)) return [];
  return one("k3s-not-at-boot", {
    title: "Kubernetes would not start at the next boot",
    cause: `Somebody ${k3s.atBoot === "disabled" ? "disabled" : "masked"} its service.`,
    evidence: fact("systemctl is-enabled k3s.service", k3s.atBoot),
    mend: "It is enabled.",
    next: null,
  });
}

function kubeconfig({ kubeconfig: { state, path, why }, k3s, isBox }: Seen): readonly Finding[] {
  if (!isBox || state === "own") return [];
  // Before k3s has run for the first time there is none.
  if (state === "missing" && k3s.unit !== "active") return [];
  return one("kubeconfig", {
    title: state === "foreign" ? "The kubeconfig names another cluster" : "The kubeconfig cannot be used",
    cause:
      state === "foreign" ? "Somebody put another file in its place. It is not used." : "It was removed or damaged.",
    evidence: fact(path, why),
    mend: `${state === "missing" ? "" : "It is renamed. "}k3s is restarted and writes its own; containers go on running.`,
    next: null,
  });
}

function kubernetes({ cluster: { state, why }, k3s, isBox }: Seen): readonly Finding[] {
  if (!isBox || k3s.unit !== "active") return [];
  if (state === "silent") {
    return one("kubernetes-silent", {
      title: "Kubernetes runs and does not answer",
      cause: "It starts, hangs, or takes other credentials than the kubeconfig holds.",
      evidence: fact("API of this box", why),
      mend: "k3s is restarted and writes a new kubeconfig; containers go on running.",
      next: null,
    });
  }
  if (state !== "waiting") return [];
  return one("node-not-ready", {
    title: "The node is not ready",
    cause: why,
    evidence: fact("Node", why),
    mend: "It is waited for, and what hinders it is told.",
    next: null,
  });
}

function controlPlane(seen: Seen): readonly Finding[] {
  const { answers, portTaken, running } = seen.controlPlane;
  if (!seen.isBox) return [];
  if (portTaken && running?.health !== "healthy") {
    return one("port-taken", {
      title: "Another program holds the port of the control plane",
      cause: "What listens there is not the control plane.",
      evidence: [],
      mend: null,
      next: "Find it with ss -Hltnp, stop it with systemctl disable --now <unit>, then run recover again.",
    });
  }
  if (running === null) {
    return one("control-plane-gone", {
      title: "The control plane is not in the cluster",
      cause: "Its Deployment was deleted, or another one has its name.",
      evidence: fact(
        "Deployment alga-appliance-control-plane/appliance-control-plane",
        "there is none that this product applied",
      ),
      mend: "It is applied again, with the last image that was healthy.",
      next: null,
    });
  }
  if (running === undefined) return [];
  return [...runningFindings(seen, running), ...(answers ? [] : silent(seen, running))];
}

type Running = NonNullable<Seen["controlPlane"]["running"]>;

function runningFindings(seen: Seen, running: Running): readonly Finding[] {
  const ref = "Deployment alga-appliance-control-plane/appliance-control-plane";
  if (running.replicas === 0) {
    return one("control-plane-off", {
      title: "The control plane is switched off",
      cause: "Somebody scaled its Deployment to nothing.",
      evidence: fact(ref, "replicas: 0"),
      mend: "It is applied again as it should be.",
      next: null,
    });
  }
  if (hasRunningImage(seen) === false) {
    return one("control-plane-image-gone", {
      title: "The node has lost the image of the control plane",
      cause: "It was removed from containerd, by hand or because the disk was full.",
      evidence: fact(ref, running.image),
      mend: "It is imported from the payload; where it is not there, the last healthy one or one of this executable is used that is not older.",
      next: null,
    });
  }
  if (running.health !== "unhealthy") return [];
  return one("control-plane-unhealthy", {
    title: "The control plane does not become healthy",
    cause: "It had its time and does not answer.",
    evidence: fact(ref, running.image),
    mend: "The last healthy image is applied in its place.",
    next: null,
  });
}

function silent(seen: Seen, running: Running): readonly Finding[] {
  if (runningFindings(seen, running).length > 0) return [];
  return one("control-plane-silent", {
    title: "The control plane does not answer",
    cause: "Its pod is gone, starts, or cannot read its state.",
    evidence: fact("http://127.0.0.1:8080/healthz", "no answer of the control plane"),
    mend: "It is applied again, and its pod made anew.",
    next: null,
  });
}

function lostDocuments(seen: Seen): readonly Finding[] {
  // One that is there and damaged has its finding.
  const damaged = of(seen, "damaged").map(({ path }) => path);
  const gone = seen.lost.filter((name) => !damaged.some((path) => path.endsWith(`/${name}.json`)));
  return gone.flatMap((name) =>
    one("document-lost", {
      title: `The state folder has no ${name}.json, and the cluster knows what stood in it`,
      cause: "Without it the appliance looks as if it had never been set up.",
      evidence: fact("ConfigMap alga-system/appliance-release-selection", "a release is installed"),
      mend: "It is written anew from what the cluster knows.",
      next: null,
    }),
  );
}
