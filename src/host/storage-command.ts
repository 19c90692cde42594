/** `host storage check` and `host storage install`: what is wrong with the storage of this box, and how it is put right. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { deadline } from "../core/deadline.ts";
import { parseDuration } from "../core/duration.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { createKube, type Kube } from "../kube/client.ts";
import { findKubeAccess, openConnection } from "../kube/config.ts";
import { STORAGE_IMAGES } from "../release/appliance-images.ts";
import { capacityOf, MIN_FREE_BYTES } from "../storage/capacity.ts";
import { gatherStorage } from "../storage/facts.ts";
import {
  type FolderFacts,
  findingsOf,
  findingsOfHost,
  ofSilentCluster,
  type StorageFinding,
} from "../storage/findings.ts";
import { installStorage, planStorage, provisionerSays, type StorageOutcome } from "../storage/install.ts";
import { holderOf, STORAGE_LEASE } from "../storage/lease.ts";
import type { StorageImages } from "../storage/objects.ts";
import { assertRootOnBox } from "./host-run.ts";
import { lookAtFolder, putFolderRight } from "./storage-folder.ts";

const TIMEOUT = "15m";
const POLL_MS = 2_000;

const KUBECONFIG: Flag = {
  name: "kubeconfig",
  type: "string",
  value: "<file>",
  summary: "Kubeconfig of the cluster",
};

export const commands: readonly Command[] = [
  {
    path: ["host", "storage", "check"],
    summary: "Explain how the storage of this box is, and what to do where it is not in order",
    description:
      "The default class, the provisioner, the volumes, the folder on the host, and whether the disk holds what claims ask for. " +
      "Reads only. Exit code 0: in order, also with warnings; 3: something is wrong.",
    flags: [KUBECONFIG],
    examples: [
      {
        command: "alga-appliance host storage check",
        about: "One line for each, with the next step where there is one",
      },
      { command: "alga-appliance host storage check -o json", about: "As data, for scripts and for support" },
    ],
    run: check,
  },
  {
    path: ["host", "storage", "install"],
    summary: "Bring the storage of this box in order and prove it",
    description:
      "Makes and closes the folder of the volumes, installs the provisioner and its class, moves the storage of k3s over, and proves " +
      "it with a volume of its own. No volume and no data are removed; safe to run again, also after it was stopped anywhere, and " +
      "beside a setup.",
    flags: [
      { name: "dry-run", type: "boolean", summary: "Print what would be done and change nothing" },
      { name: "timeout", type: "string", value: "<duration>", fallback: TIMEOUT, summary: "Give up after this time" },
      {
        name: "provisioner-image",
        type: "string",
        value: "<image>",
        fallback: STORAGE_IMAGES.provisioner,
        summary: "Image of the provisioner where none runs",
      },
      {
        name: "helper-image",
        type: "string",
        value: "<image>",
        fallback: STORAGE_IMAGES.helper,
        summary: "Image of its helper pods where none runs",
      },
      KUBECONFIG,
    ],
    examples: [
      { command: "alga-appliance host storage install --dry-run", about: "What would be done" },
      {
        command: "alga-appliance host storage install",
        about: "As root, after host storage check has named something",
      },
    ],
    run: install,
  },
];

async function check(context: CommandContext): Promise<ExitCode> {
  const folder = await lookAtFolder(context.deps, context.settings.get("root") ?? "/");
  const findings = await findingsWith(context, folder);
  const state =
    (["failed", "warning"] as const).find((one) => findings.some((finding) => finding.state === one)) ?? "ok";
  context.out.result({ schema: "alga.appliance.storage-check/v1", state, findings }, () =>
    findings.map(textOf).join("\n"),
  );
  return state === "failed" ? EXIT.notReady : EXIT.done;
}

async function findingsWith(context: CommandContext, folder: FolderFacts): Promise<readonly StorageFinding[]> {
  const { signal } = context;
  try {
    const kube = await clusterOf(context);
    const facts = await gatherStorage(kube, signal);
    const says = await provisionerSays(kube, signal);
    const holder = holderOf(await kube.get(STORAGE_LEASE, { signal }));
    return findingsOf({ facts, says, holder }, folder);
  } catch (thrown) {
    if (!(thrown instanceof ApplianceError) || signal.aborted) throw thrown;
    return [ofSilentCluster(thrown.message, thrown.hint), ...findingsOfHost(folder, [])];
  }
}

/** "failed   No StorageClass is the default ..." and below it the evidence and the next step. */
function textOf({ state, title, next, evidence }: StorageFinding): string {
  const seen = state === "ok" ? [] : evidence.map(({ ref, text }) => `         ${ref}: ${text}`);
  const step = next === null ? [] : [`         ${next}`];
  return [`${state.padEnd(8)} ${title}`, ...seen, ...step].join("\n");
}

async function install(context: CommandContext): Promise<ExitCode> {
  const { deps, flags, settings, out } = context;
  const root = settings.get("root") ?? "/";
  if (flags["dry-run"] === true) return await plan(context, root);
  await assertRootOnBox(context, "change the storage");
  const timeoutMs = parseDuration(typeof flags.timeout === "string" ? flags.timeout : TIMEOUT);
  const limit = deadline(deps.clock, timeoutMs, { what: "the storage", parent: context.signal });
  const { signal } = limit;
  try {
    const kube = await clusterOf(context);
    const folder = await putFolderRight({ deps, signal }, root);
    assertRoom(await lookAtFolder(deps, root));
    const told = { last: "" };
    const outcome = await installStorage(
      { ...deps, kube },
      {
        holder: "host",
        images: async () => imagesOf(context),
        prove: true,
        busyMs: timeoutMs,
        pollMs: POLL_MS,
        signal,
        progress: (detail, problem) => {
          const line = problem === undefined ? detail : `${detail}: ${problem.message}`;
          if (line !== told.last) out.progress(line);
          told.last = line;
        },
      },
    );
    out.result({ schema: "alga.appliance.storage-install/v1", folder, ...outcome }, () => tell(folder, outcome));
    return EXIT.done;
  } finally {
    limit.cancel();
  }
}

/** A volume on a full disk would be the end of whatever writes to it. */
function assertRoom({ path, disk }: FolderFacts): void {
  if (disk.freeBytes >= MIN_FREE_BYTES) return;
  const { sentence, next } = capacityOf([], disk);
  throw new ApplianceError("file/disk-full", `Cannot put volumes into "${path}": ${sentence.replace(/^T/, "t")}`, {
    ...(next === undefined ? {} : { hint: next }),
  });
}

async function plan(context: CommandContext, root: string): Promise<ExitCode> {
  const { deps, signal, out } = context;
  const { path, state } = await lookAtFolder(deps, root);
  const kube = await clusterOf(context);
  const folder = {
    closed: [],
    none: [`make ${path}`],
    open: [`close ${path} to others`],
    foreign: [`refuse: ${path} is no folder`],
  };
  const steps = [
    ...folder[state],
    ...(await planStorage({ ...deps, kube }, { images: async () => imagesOf(context), signal })),
  ];
  out.result({ schema: "alga.appliance.storage-plan/v1", steps }, () =>
    steps.map((step, index) => `${index + 1}. ${step}`).join("\n"),
  );
  return EXIT.done;
}

function tell(folder: readonly string[], { kind, storageClass, done, warnings }: StorageOutcome): string {
  const use =
    kind === "foreign"
      ? `${storageClass} is the default, and used as it is`
      : `${storageClass} is the default, and proven`;
  return [...folder, ...done, ...warnings.map((warning) => `Warning: ${warning}`), use].join("\n");
}

function imagesOf({ flags }: CommandContext): StorageImages {
  const named = (flag: string, fallback: string): string => {
    const given = flags[flag];
    return typeof given === "string" ? given : fallback;
  };
  return {
    provisioner: named("provisioner-image", STORAGE_IMAGES.provisioner),
    helper: named("helper-image", STORAGE_IMAGES.helper),
  };
}

/** @throws {ApplianceError} kube/config where there is no way to a cluster. */
async function clusterOf({ deps, settings, env }: CommandContext): Promise<Kube> {
  const access = await findKubeAccess(deps, { kubeconfig: settings.get("kubeconfig"), environment: env });
  return createKube(deps, openConnection(deps.transports, access));
}
