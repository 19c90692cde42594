/** Preflight of the machine: disk, memory, processors, ports, and a state folder that keeps what is written. */
import { join } from "node:path/posix";
import { isApplianceError } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import { textAt } from "../kube/model.ts";
import { PROBE } from "../operation/file-store.ts";
import type { Finding, PreflightCheck, PreflightContext } from "./check.ts";

export const HOST_CHECKS: readonly PreflightCheck[] = [
  {
    code: "host/state-unwritable",
    title: "The state folder keeps what is written",
    wrong: "The state folder does not keep what is written",
    retrySafe: false,
    look: stateFolder,
  },
  {
    code: "host/disk-space",
    title: "The disk has enough free space",
    wrong: "The disk has too little free space",
    retrySafe: false,
    look: disk,
  },
  {
    code: "host/memory",
    title: "The machine has enough memory",
    wrong: "The machine has too little memory",
    retrySafe: false,
    look: memory,
  },
  {
    code: "host/cpu",
    title: "The machine has enough processors",
    wrong: "The machine has too few processors",
    retrySafe: false,
    look: cpus,
  },
  {
    code: "host/port-in-use",
    title: "The ports of the application are free",
    wrong: "A port of the application is taken",
    retrySafe: false,
    look: ports,
  },
];

async function stateFolder({ files, stateFolder: folder }: PreflightContext): Promise<Finding> {
  const probe = join(folder, PROBE);
  try {
    await files.makeDirectory(folder);
    await files.write(probe, "written by preflight\n");
    await files.remove(probe);
    return { ok: true, evidence: [{ ref: folder, text: "can be written" }] };
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return {
      ok: false,
      cause: "What is written there does not stay, so an interrupted setup could not go on.",
      evidence: [{ ref: folder, text: thrown.message }],
      next: thrown.hint ?? `Look at the disk and the owner of ${folder}`,
    };
  }
}

async function disk({ files, stateFolder: folder, requirements }: PreflightContext): Promise<Finding> {
  const { freeBytes, totalBytes } = await files.space(folder);
  const evidence = [{ ref: folder, text: `${humanBytes(freeBytes)} free of ${humanBytes(totalBytes)}` }];
  if (freeBytes >= requirements.freeDiskBytes) return { ok: true, evidence };
  return {
    ok: false,
    cause: `${humanBytes(freeBytes)} are free, ${humanBytes(requirements.freeDiskBytes)} are wanted for images and data.`,
    evidence,
    next: "Free space or enlarge the disk: df -h shows what is used",
  };
}

async function memory({ machine, requirements }: PreflightContext): Promise<Finding> {
  const { totalBytes, availableBytes } = await machine.memory();
  const evidence = [
    { ref: "/proc/meminfo", text: `${humanBytes(totalBytes)} in all, ${humanBytes(availableBytes)} available` },
  ];
  if (totalBytes >= requirements.memoryBytes) return { ok: true, evidence };
  return {
    ok: false,
    cause: `The machine has ${humanBytes(totalBytes)} of memory, ${humanBytes(requirements.memoryBytes)} are wanted.`,
    evidence,
    next: "Give the machine more memory",
  };
}

async function cpus({ machine, requirements }: PreflightContext): Promise<Finding> {
  const count = machine.cpuCount();
  const evidence = [{ ref: "processors", text: String(count) }];
  if (count >= requirements.cpus) return { ok: true, evidence };
  return {
    ok: false,
    cause: `The machine has ${count} processor${count === 1 ? "" : "s"}, ${requirements.cpus} are wanted.`,
    evidence,
    next: "Give the machine more processors",
  };
}

async function ports(context: PreflightContext, signal: AbortSignal): Promise<Finding> {
  const { network, requirements } = context;
  const taken: number[] = [];
  for (const port of requirements.ports) if (await network.isListening(port)) taken.push(port);
  const evidence = requirements.ports.map((port) => ({
    ref: `TCP port ${port}`,
    text: taken.includes(port) ? "something listens" : "free",
  }));
  if (taken.length === 0) return { ok: true, evidence };
  if (await isOurApplication(context, signal))
    return {
      ok: true,
      evidence: [...evidence, { ref: "HelmRelease alga-system/alga-core", text: "the application itself" }],
    };
  return {
    ok: false,
    cause: `Another program listens on port ${taken.join(", ")}, which the application needs.`,
    evidence,
    next: `Stop that program: ss -ltnp 'sport = :${taken[0]}' names it`,
  };
}

/** After an earlier setup the application itself holds its port. */
async function isOurApplication({ kube }: PreflightContext, signal: AbortSignal): Promise<boolean> {
  try {
    const ref = {
      apiVersion: "helm.toolkit.fluxcd.io/v2",
      kind: "HelmRelease",
      namespace: "alga-system",
      name: "alga-core",
    };
    return textAt(await kube.get(ref, { signal }), "metadata", "uid") !== undefined;
  } catch (thrown) {
    if (isApplianceError(thrown)) return false;
    throw thrown;
  }
}
