/** `recover` as it is typed: it tells, asks, and does nothing without a yes; what it ends with is its exit code. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONTROL_PLANE_MANIFESTS } from "../../embed/manifests.ts";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createFakeHost, type FakeHost } from "../../test/crash/fake-host.ts";
import { commandContext, newSaid } from "../../test/support/command-context.ts";
import { expandAlias } from "../cli/nouns.ts";
import type { Deps } from "../core/ports.ts";
import { runBootstrap } from "./bootstrap.ts";
import { type RecoverRooms, recoverCommands } from "./recover-command.ts";

const ROOMS: RecoverRooms = {
  lost: async () => [],
  rebuild: async () => ({ documents: [], notes: [] }),
  writeOwnImage: () => Promise.reject(new Error("the payload is there")),
};

/** A box whose k3s somebody stopped. */
async function stopped(): Promise<FakeHost> {
  const host = createFakeHost(createFakeBox({ instant: true }));
  const signal = new AbortController().signal;
  await runBootstrap(
    { deps: host.deps(), settings: host.settings({ manifests: CONTROL_PLANE_MANIFESTS }) },
    { signal },
  );
  host.state.k3s = "inactive";
  host.ran.length = 0;
  return host;
}

interface Typed {
  readonly path?: string;
  readonly flags?: Readonly<Record<string, boolean>>;
  readonly answer?: string;
}

function type(host: FakeHost, { path = "recover", flags = {}, answer }: Typed) {
  const said = newSaid();
  const asks = answer === undefined ? {} : { askLine: async () => answer };
  const deps = host.deps() as Partial<Deps>;
  const { context } = commandContext({ deps, flags, said, env: { ALGA_APPLIANCE_ROOT: "/" }, ...asks });
  const command = recoverCommands(ROOMS).find((one) => one.path.join(" ") === path);
  return { said, end: command?.run(context) ?? Promise.reject(new Error("there is no such command")) };
}

const changes = (host: FakeHost): string[][] =>
  host.ran.filter((argv) => /^(?:start|stop|enable|unmask|import|chown)$/.test(argv[1] ?? "") || argv[0] === "chown");

describe("recover", () => {
  it("tells what is wrong and changes nothing with plan, --dry-run, another answer than yes, and no terminal", async () => {
    const host = await stopped();
    const plan = type(host, { path: "recover plan" });
    assert.equal(await plan.end, 0);
    assert.match(plan.said.text, /1\. Kubernetes does not run\. Its service was stopped\./);
    assert.match(plan.said.text, /Recover would:\n1\. Put damaged files aside/);
    assert.equal(await type(host, { flags: { "dry-run": true } }).end, 0);
    const no = type(host, { answer: "no" });
    await assert.rejects(no.end, { code: "internal/aborted", message: /nothing was changed/ });
    assert.match(no.said.notices.join("\n"), /Kubernetes does not run/);
    await assert.rejects(type(host, {}).end, { code: "cli/usage", message: /--yes is wanted/ });
    assert.deepEqual(changes(host), []);
    assert.equal(host.state.k3s, "inactive");
  });
  it("puts it right after a yes, says what works, and ends with 0", async () => {
    const host = await stopped();
    const { said, end } = type(host, { answer: "Yes " });
    assert.equal(await end, 0, said.text);
    assert.match(said.text, /What works now:[\s\S]*The control plane answers: localhost/);
    assert.match(said.text, /Next: Open http:\/\/192\.0\.2\.10:8080 and claim the appliance/);
  });
  it("ends with 3 and the next step where it cannot", async () => {
    const host = await stopped();
    host.state.k3s = "failed";
    host.state.k3sSays = "fatal: no space left on device";
    const { said, end } = type(host, { flags: { yes: true } });
    assert.equal(await end, 3);
    assert.match(said.text, /It stopped: Cannot start Kubernetes on this box: the disk has no room/);
    assert.match(said.text, /Next: Make room on the disk/);
  });
  it("refuses anybody but root, to whom the folders would look as if they were gone", async () => {
    const host = await stopped();
    const deps = host.deps();
    const exec: Deps["exec"] = async (argv, options) =>
      argv[0] === "id" ? { code: 0, stdout: "1000\n", stderr: "", truncated: false } : deps.exec(argv, options);
    const other = { ...host, deps: () => ({ ...deps, exec }) };
    const refused = { code: "host/not-root", message: /as user "1000"/ };
    await assert.rejects(type(other, { flags: { yes: true } }).end, refused);
    await assert.rejects(type(other, { path: "recover plan" }).end, refused);
    assert.deepEqual(changes(host), []);
  });
  it("says that it gives up a reset that was interrupted", async () => {
    const host = await stopped();
    const planned = {
      ...{ kind: "planned", schema: "alga.appliance.journal/v1", operation: "reset", bootId: "boot-1", seq: 1 },
      ...{ steps: [{ id: "k3s", title: "Start Kubernetes" }], at: "2026-11-20T09:00:00.000Z", uptimeMs: 1 },
      plan: { schema: "alga.appliance.reset-plan/v1", bootId: "boot-1", keepData: false, place: null, about: {} },
    };
    host.files.garble("/var/lib/alga-appliance-host/journal/0002-reset.ndjson", `${JSON.stringify(planned)}\n`);
    const { said, end } = type(host, { flags: { yes: true } });
    assert.equal(await end, 0, said.text);
    assert.match(said.notices.join("\n"), /reset that began 2026-11-20T09:00:00.000Z is given up/);
  });
  it("asks nobody under its old name", () =>
    assert.deepEqual(expandAlias("alga-control-plane-reapply", ["-o", "json"]), ["recover", "--yes", "-o", "json"]));
});
