import assert from "node:assert/strict";
import { test } from "node:test";
import { ANSWERS } from "../../test/crash/bench.ts";
import { onBareBox } from "../../test/support/bare-box.ts";
import type { FlagValue } from "../cli/command.ts";
import { openEngines } from "../engines/open.ts";
import { setupCommands } from "./command.ts";

const commands = setupCommands(openEngines);

const KUBECONFIG = `apiVersion: v1
kind: Config
current-context: box
contexts: [{ name: box, context: { cluster: box, user: box } }]
clusters: [{ name: box, cluster: { server: "http://127.0.0.1:9" } }]
users: [{ name: box, user: {} }]
`;

interface Given {
  readonly answers?: unknown;
  readonly flags?: Readonly<Record<string, FlagValue>>;
  readonly files?: Readonly<Record<string, string>>;
}

/** Runs a command on a box that has no cluster unless a file names one. */
function run(verb: string, { answers, ...given }: Given = {}): Promise<number> {
  const { context } = onBareBox({ ...given, stdin: JSON.stringify(answers) ?? "" });
  const command = commands.find((one) => one.path[1] === verb);
  assert.ok(command !== undefined);
  return command.run(context);
}

const { adminPassword: _password, adminPasswordConfirm: _confirm, ...WITHOUT_PASSWORD } = ANSWERS;
const STDIN = { answers: "-" };

for (const verb of ["plan", "run"]) {
  test(`setup ${verb} tells wrong answers before it looks for the cluster`, async () => {
    const answers = { ...ANSWERS, adminEmail: "nobody" };
    await assert.rejects(run(verb, { answers, flags: STDIN }), { code: "setup/invalid-answers" });
    await assert.rejects(run(verb, { answers: ANSWERS, flags: STDIN }), { code: "kube/config" });
  });
}

test("setup change tells a wrong address before it looks for the cluster", async () => {
  for (const more of [{}, { "dry-run": true }]) {
    const typed = (url: string) => run("change", { flags: { "app-url": url, ...more } });
    await assert.rejects(typed("not an address"), { code: "setup/invalid-answers", message: /appHostname/ });
    await assert.rejects(typed("https://psa.example.com"), { code: "kube/config" });
  }
});

test("the decision of --accept-expired is one of the answers, unless these have their own", async () => {
  const flags = { ...STDIN, "accept-expired": "soon" };
  const wrong = { code: "setup/invalid-answers", message: /acceptExpired/ };
  for (const acceptExpired of [undefined, ""]) {
    const answers = { ...ANSWERS, acceptExpired };
    await assert.rejects(run("run", { answers, flags }), wrong);
    await assert.rejects(run("plan", { answers, flags }), wrong);
    const instant = { ...flags, "accept-expired": "2026-12-31T00:00:00Z" };
    await assert.rejects(run("run", { answers, flags: instant }), { code: "kube/config" });
  }
  const own = { ...ANSWERS, acceptExpired: "2026-12-31T00:00:00Z" };
  await assert.rejects(run("run", { answers: own, flags }), { code: /^(?!setup)/ });
});

test("a password is wanted by run where none is kept, and never by plan", async () => {
  const files = { "/box/var/lib/alga-appliance/secrets/admin-password": "Correct-horse-7" };
  const given = { answers: WITHOUT_PASSWORD, flags: STDIN };
  await assert.rejects(run("plan", given), { code: "kube/config" });
  await assert.rejects(run("run", given), { code: "setup/invalid-answers" });
  await assert.rejects(run("run", { ...given, files }), { code: "kube/config" });
});

test("setup resume names the journal that it cannot read", async () => {
  const path = "/box/var/lib/alga-appliance/journal/0001-setup.ndjson";
  const files = { [path]: "garbage\n", "/kubeconfig": KUBECONFIG };
  await assert.rejects(run("resume", { flags: { kubeconfig: "/kubeconfig" }, files }), (thrown: Error) => {
    assert.match(thrown.message, new RegExp(`^Cannot read journal "${path}"`));
    return true;
  });
});

test("setup license takes exactly one of key, code and the key before, and reads a code from standard input only", async () => {
  for (const flags of [{}, { "key-stdin": true, "code-stdin": true }, { "code-stdin": true, former: true }]) {
    await assert.rejects(run("license", { flags }), {
      code: "cli/usage",
      message: /--key-stdin, --code-stdin and --former/,
    });
  }
  await assert.rejects(run("license", { answers: "K7QPM2RX", flags: { "code-stdin": true } }), { code: "kube/config" });
  // Neither is ever a value of a flag.
  const flags = commands.find((one) => one.path[1] === "license")?.flags ?? [];
  for (const name of ["key-stdin", "code-stdin"])
    assert.equal(flags.find((flag) => flag.name === name)?.type, "boolean", name);
});
