/** `reset`: takes the appliance off this box, back to its first boot; `reset plan` lists what would go. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { resolveSettings } from "../cli/settings.ts";
import { ApplianceError, EXIT, type ExitCode, isApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { humanBytes } from "../core/quantity.ts";
import { createFileStore } from "../operation/file-store.ts";
import type { OperationView } from "../operation/model.ts";
import { readChosenName } from "../status/appliance-name.ts";
import { type BootstrapContext, openCluster } from "./bootstrap-context.ts";
import { assertRoot, assertSystemd } from "./host-run.ts";
import { hostSettings } from "./host-settings.ts";
import { judgeKubeconfig } from "./kubeconfig-own.ts";
import { assertNoOperation, runReset, unfinishedReset } from "./reset.ts";
import { listOwned, type Owned } from "./reset-owned.ts";
import { RESET_STEPS } from "./reset-steps.ts";
import { newsOf } from "./run-news.ts";

const MAX_SETTINGS_BYTES = 256 * 1024;
/** The folder itself, its files and the folders below. */
const MAX_FILES = 100_000;

const KEEP: Flag = {
  name: "keep-data",
  type: "boolean",
  summary: "Keep volumes, their claims and the secrets that open them, for the next setup to take over",
};

export const commands: readonly Command[] = [
  {
    path: ["reset"],
    summary: "Remove the appliance and its data from this box, back to its first boot",
    description:
      "Lists what is the appliance's, asks for its name, and removes exactly that: namespaces, Flux's objects, volumes, images, state. " +
      "What is not the appliance's stays, also Flux where others use it, the settings in /etc/alga-appliance, the units, k3s and the " +
      "payload. Interrupted, it goes on: by the same command, or at the next boot. Afterwards the console shows a new setup token.",
    flags: [
      KEEP,
      { name: "dry-run", type: "boolean", summary: "List what would go, and touch nothing" },
      { name: "yes", type: "boolean", summary: "Do not ask; --name is wanted then" },
      { name: "name", type: "string", value: "<name>", summary: "The name of this appliance, as its screens show it" },
    ],
    examples: [
      { command: "alga-appliance reset --dry-run", about: "What would go, and what stays" },
      { command: "alga-appliance reset --keep-data", about: "Everything but the database and the files" },
      { command: "alga-appliance reset --yes --name box-7", about: "Without a terminal" },
    ],
    run: reset,
  },
  {
    path: ["reset", "plan"],
    summary: "List what a reset would remove, and what stays",
    flags: [KEEP],
    examples: [{ command: "alga-appliance reset plan -o json", about: "As data: namespaces, volumes, objects, files" }],
    run: async (context) => {
      const { deps, signal } = context;
      await assertRoot(deps, { what: "look at this box", signal });
      return printPlan(context, await planOf(context));
    },
  },
];

/** What a reset would do on this box now. */
interface Plan {
  readonly schema: "alga.appliance.reset-list/v1";
  readonly name: string;
  readonly keepData: boolean;
  readonly owned: Owned;
  readonly state: { readonly folder: string; readonly files: number; readonly sizeBytes: number };
  readonly stays: readonly string[];
  readonly steps: readonly { readonly id: string; readonly title: string; readonly about: string }[];
}

function contextOf({ deps, settings, build }: CommandContext): BootstrapContext {
  const root = settings.get("root") ?? "/";
  if (root !== "/") {
    throw new ApplianceError(
      "config/invalid",
      `Cannot reset under root "${root}": Kubernetes of another root does not run here, "/" is wanted`,
      { hint: "Boot the box and run it there" },
    );
  }
  const follows = async (): Promise<never> => {
    throw new ApplianceError("release/offline", "Cannot ask the channel: a reset asks nobody");
  };
  return { deps, settings: { ...hostSettings({ settings, build }), follows, askMs: 0 } };
}

async function planOf(context: CommandContext): Promise<Plan> {
  const resetting = contextOf(context);
  const { deps, signal, flags } = context;
  const { paths } = resetting.settings;
  const keepData = flags["keep-data"] === true;
  const { state, path, why } = await judgeKubeconfig(deps, paths);
  if (state !== "own") {
    throw new ApplianceError("kube/config", `Cannot list by kubeconfig "${path}": ${why}, one of this box is wanted`, {
      hint: "alga-appliance recover puts it right; then run reset again",
    });
  }
  const owned = await listOwned(await openCluster(resetting), { keepData, signal });
  return {
    schema: "alga.appliance.reset-list/v1",
    name: await nameOf(context),
    keepData,
    owned,
    state: { folder: paths.state, ...(await sizeOf(context, paths.state)) },
    stays: [
      ...owned.stays,
      "Settings and keys in /etc/alga-appliance, the units, k3s and its other contents, the payload in /opt/alga-appliance",
      `What happened on this box, in ${paths.host}`,
    ],
    steps: RESET_STEPS.map(({ id, title, about }) => ({ id, title, about })),
  };
}

/** As the screens show it; the flag --name is what is compared with it, and must not stand for it. */
async function nameOf({ deps, env, settings }: CommandContext): Promise<string> {
  const paths = statePaths(settings.get("root") ?? "/");
  const chosen = await readChosenName(createFileStore(deps, paths, { leaveDamaged: true })).catch((thrown: unknown) => {
    if (isApplianceError(thrown, "file/corrupt")) return undefined;
    throw thrown;
  });
  const bytes = await deps.files.read(paths.config, { maxBytes: MAX_SETTINGS_BYTES });
  const file = bytes === undefined ? {} : { file: { path: paths.config, text: new TextDecoder().decode(bytes) } };
  return chosen ?? resolveSettings({ flags: {}, env, ...file }).get("name") ?? (await deps.machine.hostName());
}

async function sizeOf(
  { deps }: CommandContext,
  folder: string,
): Promise<{ readonly files: number; readonly sizeBytes: number }> {
  let [files, sizeBytes] = [0, 0];
  const open = [folder];
  for (const path of open) {
    for (const name of await deps.files.list(path)) {
      const stat = await deps.files.stat(`${path}/${name}`, { links: "show" });
      if (stat?.kind === "directory") open.push(`${path}/${name}`);
      else files += 1;
      sizeBytes += stat?.kind === "file" ? stat.sizeBytes : 0;
      if (files > MAX_FILES) return { files, sizeBytes };
    }
  }
  return { files, sizeBytes };
}

async function reset(context: CommandContext): Promise<ExitCode> {
  const resetting = contextOf(context);
  const { deps, out, flags, signal } = context;
  await assertRoot(deps, { what: "reset this box", signal });
  if (flags["dry-run"] !== true) await assertSystemd(deps, "reset the appliance");
  const begun = await unfinishedReset(resetting);
  if (begun === undefined) await assertNoOperation(resetting);
  if (flags["dry-run"] === true) return printPlan(context, await planOf(context));
  if (begun === undefined) await consent(context, await planOf(context));
  else
    out.notice(
      `Goes on with the reset that began ${begun.view.startedAt}${begun.plan.keepData ? ", data is kept" : ""}.`,
    );
  const keepData = begun?.plan.keepData ?? flags["keep-data"] === true;
  const told = new Map<string, string>();
  const onView = (view: OperationView): void => {
    for (const line of newsOf(view, told)) out.progress(`${line.title}: ${line.text}`);
  };
  const view = await runReset(resetting, { signal, keepData, onView });
  deps.log.info("reset ended", { state: view.state });
  const steps = view.steps.map(({ id, title, state, detail }) => ({ id, title, state, detail }));
  const { problem } = view;
  const shown = problem === null ? null : { code: problem.code, message: problem.message, hint: problem.hint };
  const report = {
    schema: "alga.appliance.reset/v1",
    state: view.state,
    operation: view.id,
    keepData,
    steps,
    problem: shown,
  };
  out.result(report, () =>
    [
      ...steps.filter(({ detail }) => detail !== null).map(({ title, detail }) => `${title}: ${detail}`),
      "",
      shown === null
        ? "The box starts as on its first boot: the console shows a new setup token."
        : `It stopped: ${shown.message}\n${shown.hint ?? "Mend what it names"}. Then run reset again: it goes on there.`,
    ].join("\n"),
  );
  return view.state === "done" ? EXIT.done : EXIT.failed;
}

/** Asks for the name of the appliance, typed. */
async function consent({ flags, out, askLine }: CommandContext, plan: Plan): Promise<void> {
  const given = typeof flags.name === "string" ? flags.name : undefined;
  if (flags.yes !== true || given === undefined) {
    if (askLine === undefined) {
      throw new ApplianceError("cli/usage", "Cannot reset without being asked: --yes and --name <name> are wanted", {
        hint: "alga-appliance reset --dry-run lists what would go, and the name",
      });
    }
    out.notice(planText(plan));
  }
  const typed =
    flags.yes === true && given !== undefined ? given : await askLine?.(`\nType "${plan.name}" to remove all of it`);
  if (typed?.trim() === plan.name) return;
  throw new ApplianceError(
    "cli/usage",
    `Cannot reset: "${(typed ?? "").slice(0, 80)}" was typed, "${plan.name}" is wanted; nothing was changed`,
  );
}

function printPlan({ out }: CommandContext, plan: Plan): ExitCode {
  out.result(plan, () => planText(plan));
  return EXIT.done;
}

function planText({ name, keepData, owned, state, stays }: Plan): string {
  const { namespaces, releases, volumes, cluster } = owned;
  const volumeLines = volumes.map(
    ({ name: volume, claim, size, folder }) =>
      `    ${volume} (${claim}, ${size})${folder === null ? "" : ` in ${folder}`}`,
  );
  return [
    `Reset of the appliance "${name}"`,
    "",
    "What goes:",
    `  Namespaces with everything in them: ${namespaces.length === 0 ? "none" : namespaces.join(", ")}`,
    ...(keepData ? ["  What runs in the namespace msp"] : []),
    `  Objects of Flux: ${releases.length}`,
    ...releases.map((ref) => `    ${ref.kind} ${ref.namespace ?? ""}/${ref.name}`),
    ...(keepData ? [] : [`  Volumes with what is on them: ${volumes.length}`, ...volumeLines]),
    `  Objects without a namespace: ${cluster.length}`,
    ...cluster.map((ref) => `    ${ref.kind} ${ref.name}`),
    `  Files in ${state.folder}: ${state.files} (${humanBytes(state.sizeBytes)})`,
    ...(keepData ? [] : ["  Images of the product on the node"]),
    "",
    "What stays:",
    ...(keepData ? volumeLines : []),
    ...stays.map((line) => `  ${line}`),
  ].join("\n");
}
