/** A run of each kind that is killed in the middle is finished by a command of another kind, and by none that was refused because of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "../../src/cli/command.ts";
import type { Engines } from "../../src/engines/engines.ts";
import type { OperationKind } from "../../src/operation/model.ts";
import { setupCommands } from "../../src/setup/command.ts";
import { updateCommands } from "../../src/update/command.ts";
import { commandContext } from "../support/command-context.ts";
import { ANSWERS } from "./bench.ts";
import { type OpenBox, openEnginesOn } from "./engines-bench.ts";
import { createFakeBox } from "./fake-box.ts";
import { createMemoryFiles } from "./memory-files.ts";
import { createStage } from "./stage.ts";
import { createUpdateServer, GOOD } from "./update-bench.ts";
import { installed, REGISTRY, type World } from "./update-world.ts";

const box = createFakeBox({ instant: true });
const registry = createUpdateServer(REGISTRY).fetch;
const SIGNAL = new AbortController().signal;
const open = (world: World): OpenBox => openEnginesOn(world, { box, registry });

/** The world as a process leaves it that dies when a step has begun. */
async function killedAt({ kind, step, box: before, begin }: Case): Promise<World> {
  const world = copyOf(before);
  const engines = open(world);
  const killed = new Promise<World>((resolve) => {
    engines.operations.subscribe((event) => {
      if (event.type !== "journal" || !event.operationId.endsWith(kind)) return;
      if (event.entry.kind === "step-started" && event.entry.step === step) resolve(copyOf(world));
    });
  });
  await begin(engines);
  const left = await killed;
  await engines.close();
  return left;
}

function copyOf({ files, stage }: World): World {
  return { files: files.copy(), stage: stage.copy() };
}

/** Runs a command on the box as it was left. */
async function type(world: World, words: string, flags: Readonly<Record<string, string | boolean>> = {}) {
  const opener = async (): Promise<OpenBox> => open(world);
  const all: readonly Command[] = [...setupCommands(opener), ...updateCommands(opener)];
  const command = all.find(({ path }) => path.join(" ") === words);
  assert.ok(command !== undefined, words);
  const { context, said } = commandContext({ flags, deps: { files: world.files, clock: box.clock } });
  return { exit: await command.run(context), said };
}

/** What is kept of runs; what a refused command has read of releases is kept beside it, and may be. */
function stateOf({ files }: World): readonly (readonly [string, string])[] {
  return [...files.snapshot()].filter(([path]) => !path.includes("/resolved-releases/"));
}

async function emptyBox(): Promise<World> {
  return { files: createMemoryFiles(() => box.clock.now()), stage: await createStage(box, { playsFlux: true }) };
}

const ready = await installed(box, registry);
const updated = copyOf(ready);
{
  const engines = open(updated);
  await update(engines);
  assert.equal((await engines.operations.settled())?.state, "done");
  await engines.close();
}

async function update({ updates }: Engines): Promise<void> {
  const { digest } = await updates.plan({ version: GOOD }, SIGNAL);
  await updates.start({ planDigest: digest }, SIGNAL);
}

const NEW_ADDRESS = { appHostname: "https://other.example.com" };

interface Case {
  readonly kind: OperationKind;
  readonly step: string;
  readonly box: World;
  readonly begin: (engines: Engines) => Promise<unknown>;
  readonly by: string;
  readonly says: RegExp;
}

const CASES: readonly Case[] = [
  {
    ...{ kind: "setup", step: "secrets", box: await emptyBox(), by: "update resume" },
    begin: ({ setup }) => setup.start(ANSWERS, SIGNAL),
    says: /^Setup 0001-setup is done: 12 of 12 steps done$/,
  },
  {
    ...{ kind: "update", step: "switch", box: ready, by: "setup resume" },
    begin: update,
    says: /^The update 0002-update is done: /,
  },
  {
    ...{ kind: "rollback", step: "reconcile", box: updated, by: "setup resume" },
    begin: ({ updates }) => updates.rollback(SIGNAL),
    says: /^The way back 0003-rollback is done: /,
  },
  {
    ...{ kind: "address", step: "values", box: ready, by: "update resume" },
    begin: ({ address }) => address.start(NEW_ADDRESS, SIGNAL),
    says: /^The change of the address 0002-address is done: /,
  },
];

for (const one of CASES) {
  const { kind, by, says } = one;
  test(`a run of kind "${kind}" that was killed is finished by ${by}`, { timeout: 60_000 }, async () => {
    const left = await killedAt(one);
    const { exit, said } = await type(left, by);
    assert.deepEqual([exit, says.test(said.text) ? said.text : undefined], [0, said.text]);
    const again = await type(left, by);
    assert.deepEqual([again.exit, again.said.text], [0, said.text], "a second time it says the same");
  });

  test(`a command that is refused because of an interrupted ${kind} leaves it as it is`, async () => {
    const left = await killedAt(one);
    const wanted = stateOf(left);
    const refused =
      kind === "address"
        ? type(left, "update run", { yes: true })
        : type(left, "setup change", { "app-url": NEW_ADDRESS.appHostname });
    await assert.rejects(refused, { code: /^(?:operation\/busy|setup\/not-done)$/ });
    assert.deepEqual(stateOf(left), wanted);
  });
}
