import assert from "node:assert/strict";
import { test } from "node:test";
import { onBareBox } from "../../test/support/bare-box.ts";
import type { Said } from "../../test/support/command-context.ts";
import type { FlagValue } from "../cli/command.ts";
import { digestOf } from "../core/digest.ts";
import { openEngines } from "../engines/open.ts";
import { runText } from "../operation/run-text.ts";
import { updateCommands } from "./command.ts";
import { planText, viewText } from "./command-text.ts";
import type { UpdatePlan, UpdatesView } from "./model.ts";
import { UPDATE_STEPS } from "./steps.ts";

const commands = updateCommands(openEngines);

/** Runs a command on a box that has no cluster. */
async function run(
  verb: string,
  given: {
    readonly flags?: Readonly<Record<string, FlagValue>>;
    readonly files?: Readonly<Record<string, string>>;
  } = {},
): Promise<{ readonly exit: number; readonly said: Said }> {
  const { context, said } = onBareBox(given);
  const command = commands.find((one) => one.path[1] === verb);
  assert.ok(command !== undefined);
  return { exit: await command.run(context), said };
}

test("run and rollback want to be asked, before the cluster is looked for", async () => {
  await assert.rejects(run("run"), { code: "cli/usage", message: /--plan-digest .* or --yes is wanted/ });
  await assert.rejects(run("rollback"), { code: "cli/usage", message: /--yes is wanted/ });
  await assert.rejects(run("run", { flags: { yes: true } }), { code: "kube/config" });
  await assert.rejects(run("rollback", { flags: { yes: true } }), { code: "kube/config" });
});

const [A, B] = [digestOf("a"), digestOf("b")];
const RECORD = {
  schema: "alga.appliance.history/v1",
  at: "2026-11-21T10:07:00.000Z",
  operationId: "0002-update",
  kind: "update",
  state: "failed",
  startedAt: "2026-11-21T10:00:00.000Z",
  about: {
    from: { version: "1.0.3", digest: A, channel: "stable" },
    to: { version: "1.2.0", digest: B, channel: "next" },
    verdict: "failed",
    outcome: "returned",
    reason: "The application keeps stopping",
    expectedMs: 300_000,
    bytes: 4_000_000,
    fetched: { parts: 100_000, images: 2_000_000, present: 3 },
  },
};

test("the history is read from the disk alone, and knows nothing of other operations", async () => {
  const lines = [RECORD, { ...RECORD, operationId: "0001-setup", kind: "setup", about: {} }, { schema: "other" }];
  const files = {
    "/box/var/lib/alga-appliance/history.ndjson": lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
  };
  const { exit, said } = await run("history", { files });
  assert.equal(exit, 0);
  assert.equal(
    said.text,
    "2026-11-21T10:00:00.000Z  0002-update  1.0.3 -> 1.2.0  7 min of 5 min  2.1 MB of 4 MB  returned, failed, The application keeps stopping",
  );
  assert.equal((await run("history")).said.text, "Nothing has been updated yet");
});

const PLAN: UpdatePlan = {
  digest: B,
  kind: "update",
  from: { version: "1.0.3", digest: A, channel: "stable" },
  to: { version: "1.1.0", digest: B, channel: "next", createdAt: null, verifiedBy: "none" },
  components: [
    {
      name: "alga-core",
      restarts: true,
      changes: [{ kind: "image", name: "image algaCore", from: `1.0.3@${A}`, to: `1.1.0@${B}` }],
    },
  ],
  other: [],
  definitions: [
    { name: "backups.example.com", isNew: true, added: ["v1"], removed: [], lost: [] },
    { name: "helmreleases.helm.toolkit.fluxcd.io", isNew: false, added: ["v2"], removed: ["v2beta1"], lost: [] },
  ],
  checks: [],
  downloads: [{ name: "image algaCore", reference: "r", sizeBytes: 1_000_000 }],
  downloadBytes: 1_000_000,
  unknownSizes: [],
  disk: null,
  expectedMs: 420_000,
  expectedFrom: "history",
  irreversible: [{ id: "contacts", about: "Contacts are split", ways: ["restore"] }],
  steps: [],
  notNow: [{ code: "update/required-stop", message: "1.0.9 comes first", hint: "Install it" }],
  warnings: ["It is not signed."],
};

test("a plan reads from what it is to its digest", () => {
  assert.equal(
    planText(PLAN),
    `Update 1.0.3 -> 1.1.0 (${B.slice(7, 19)}) of channel next, unverified
1 download, 1 MB, about 7 min, as on this box before

alga-core is started again
    image algaCore: 1.0.3@${A.slice(7, 19)} -> 1.1.0@${B.slice(7, 19)}
    definition backups.example.com: new (v1)
    definition helmreleases.helm.toolkit.fluxcd.io: +v2 -v2beta1
Cannot be undone: Contacts are split (contacts)
Warning: It is not signed.
Not now: 1.0.9 comes first
    Next: Install it

Plan ${B}`,
  );
});

test("what is installed, offered and kept reads in a few lines", () => {
  const view: UpdatesView = {
    installed: { version: "1.0.3", digest: A, channel: "stable", installedAt: null },
    channel: { name: "stable", state: "offered", checkedAt: null, nextCheckAt: null, problem: null },
    offered: PLAN.to,
    policy: { automatic: "never", window: null, holdUntil: null },
    previous: { version: "1.0.2", digest: B, canReturn: false, why: "The data is newer." },
    notNow: [],
    operation: null,
    history: [],
  };
  assert.equal(
    viewText(view),
    `Installed  1.0.3 (${A.slice(7, 19)})
Channel stable: there is a newer release
Offered    1.1.0 (${B.slice(7, 19)}), unverified
Before     1.0.2: The data is newer.`,
  );
  assert.equal(viewText({ ...view, installed: null }), "Nothing is installed yet");
});

test("the end says how it went, and what to do where it went wrong", () => {
  const done = {
    id: "0002-update",
    kind: "update",
    state: "done",
    step: null,
    steps: [
      { id: "judge", title: "Judge", state: "done", detail: "degraded: mail waits", startedAt: null, endedAt: null },
    ],
    progress: { done: 1, total: 1, unit: "steps" },
    startedAt: "",
    endedAt: "",
    problem: null,
  } as const;
  assert.equal(runText({ ...done, steps: [...done.steps] }), "The update 0002-update is done: degraded: mail waits");
  const problem = {
    code: "update/returned",
    message: "It failed",
    hint: "Tell the publisher",
    retrySafe: false,
    attempt: 1,
    nextAttemptAt: null,
    fields: [],
    evidence: [{ ref: "Pod msp/web", text: "Error" }],
  };
  assert.equal(
    runText({ ...done, steps: [...done.steps], state: "failed", problem }),
    "The update 0002-update is failed: 1 of 1 steps done\n\nIt failed\n  Pod msp/web: Error\nNext: Tell the publisher",
  );
});

test("the policy is shown, and a flag changes what it names alone", async () => {
  const shown = await run("policy");
  assert.equal(shown.said.text, "Nothing begins by itself\nJudged   5 min well; a failure may last 8 min");
  const flags = { automatic: "patch", from: "02:00", to: "04:00", days: "sat,sun", soak: "30" };
  const set = await run("policy", { flags });
  assert.equal(
    set.said.text,
    "Patches begin by themselves\nWindow   02:00 to 04:00 UTC, sat sun\nJudged   30 min well; a failure may last 8 min",
  );
  const kept = { schema: "alga.appliance.update-policy/v1", policy: set.said.value };
  const files = { "/box/var/lib/alga-appliance/update-policy.json": JSON.stringify(kept) };
  const held = await run("policy", { files, flags: { "hold-until": "2026-12-31T00:00:00Z" } });
  assert.match(held.said.text, /^Patches begin.*\nWindow {3}02:00 to 04:00 UTC, sat sun\nHeld {5}until 2026-12-31/);
  const free = await run("policy", { files, flags: { "hold-until": "never" } });
  assert.doesNotMatch(free.said.text, /Held/);
  await assert.rejects(run("policy", { flags: { automatic: "patch" } }), {
    code: "http/bad-request",
    message: /"window"/,
  });
  await assert.rejects(run("policy", { flags: { from: "25:00", to: "04:00" } }), { message: /"window\.from"/ });
  await assert.rejects(run("policy", { flags: { soak: "long" } }), { message: /"judge\.soakMinutes"/ });
});

test("a pause wants a run, and says where it stands or will", async () => {
  await assert.rejects(run("pause"), { code: "operation/unknown" });
  await assert.rejects(run("cancel"), { code: "cli/usage", message: /--yes is wanted/ });
  const stamp = (seq: number) => ({ seq, at: "2026-11-21T00:00:00.000Z", uptimeMs: 1 });
  const steps = UPDATE_STEPS.map(({ id, title }) => ({ id, title }));
  const planned = { schema: "alga.appliance.journal/v1", operation: "update", bootId: "boot-0", steps, plan: {} };
  const upTo = (...done: string[]): Readonly<Record<string, string>> => {
    const entries = [
      { ...stamp(1), kind: "planned", ...planned },
      ...done.map((step, index) => ({ ...stamp(index + 2), kind: "step-done", step, detail: null })),
    ];
    const text = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
    return { "/box/var/lib/alga-appliance/journal/0002-update.ndjson": text };
  };
  const { said, exit } = await run("pause", { files: upTo("check", "fetch") });
  assert.deepEqual(
    [exit, said.text],
    [0, 'The update 0002-update is paused before the step "Fetch the images"\nNext: alga-appliance update resume'],
  );
  const handed = upTo("check", "fetch", "images", "keep", "control-plane", "flux");
  await assert.rejects(run("pause", { files: handed }), { code: "operation/not-pausable" });
  await assert.rejects(run("cancel", { files: handed, flags: { yes: true } }), { code: "operation/not-cancellable" });
  const ended = await run("cancel", { files: upTo("check"), flags: { yes: true } });
  assert.match(ended.said.text, /^The update 0002-update was ended: nothing of the application was changed$/);
});
