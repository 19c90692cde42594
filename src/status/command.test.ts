/** `status` as it is typed: from a kubeconfig, from a control plane, without either; exit codes and what is printed. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { commandContext } from "../../test/support/command-context.ts";
import { kubeDeps, memoryKube } from "../../test/support/kubernetes.ts";
import type { FlagValue } from "../cli/command.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Deps, Fetch } from "../core/ports.ts";
import { commands } from "./command.ts";
import { foldStatus } from "./fold.ts";
import { type ApplianceStatus, applianceStatusSchema } from "./model.ts";
import { readSituation } from "./situations/situation.ts";

const read = (name: string): string => readFileSync(new URL(`./situations/${name}.yaml`, import.meta.url), "utf8");
const healthy: unknown = parse(read("healthy"));
const situation = (name: string): ApplianceStatus => {
  const { observations, nowMs } = readSituation(read(name), () => healthy);
  return foldStatus(observations, nowMs);
};
const KUBECONFIG = JSON.stringify({
  apiVersion: "v1",
  kind: "Config",
  clusters: [{ name: "a", cluster: { server: "http://127.0.0.1:6443" } }],
  users: [{ name: "a", user: {} }],
  contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
  "current-context": "a",
});

interface Run {
  readonly flags?: Readonly<Record<string, FlagValue>>;
  readonly fetch?: Fetch;
  readonly stdin?: string;
  readonly kubeconfig?: string;
}

const refused: Fetch = async () => {
  throw new ApplianceError("net/unreachable", "Cannot reach it: connection refused");
};

async function run(given: Run) {
  const files = createMemoryFiles();
  if (given.kubeconfig !== undefined) files.garble("/k.yaml", given.kubeconfig);
  const deps = {
    ...kubeDeps,
    files,
    transports: { open: () => given.fetch ?? refused },
    network: { addresses: async () => ["192.0.2.1"] } as Partial<Deps["network"]> as Deps["network"],
    machine: { machineId: async () => "m", hostName: async () => "laptop" } as Partial<
      Deps["machine"]
    > as Deps["machine"],
  };
  const flags = { ...(given.kubeconfig === undefined ? {} : { kubeconfig: "/k.yaml" }), ...given.flags };
  const env = { HOME: "/nobody" };
  const { context, said } = commandContext({ flags, env, deps, stdin: given.stdin ?? "" });
  const [command] = commands;
  assert.ok(command !== undefined);
  return { code: await command.run(context), said };
}

/** A control plane that wants the password and then tells this status. */
function controlPlane(status: () => ApplianceStatus): Fetch {
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/api/session") {
      const good =
        (await request.text()) === JSON.stringify({ password: "right" }) && request.headers.get("origin") !== null;
      return new Response(
        "{}",
        good ? { headers: { "set-cookie": "alga_appliance_session=s1; HttpOnly" } } : { status: 401 },
      );
    }
    if (request.headers.get("cookie") !== "alga_appliance_session=s1") return new Response("{}", { status: 401 });
    return Response.json(status());
  };
}
const remote = { url: "http://192.0.2.10:8080", "password-stdin": true };

describe("status", () => {
  test("says so when there is no cluster at all, with exit code 3", async () => {
    const { code, said } = await run({});
    assert.equal(code, 3);
    assert.match(
      said.text,
      /^It is not known how the appliance is: no Kubernetes is known here\nNext: Name a kubeconfig/,
    );
    assert.match(said.text, /· Platform {9}not known {2}No Kubernetes is known here/);
    assert.doesNotMatch(said.text, /pgbouncer/, "six times the same would tell no more");
  });

  test("explains a check code without looking at anything", async () => {
    const { code, said } = await run({ flags: { explain: "flux/source-digest", url: "http://192.0.2.1:1" } });
    assert.equal(code, 0);
    assert.match(said.text, /^flux\/source-digest\n\nWhat it checks\n {2}The registry sends other bytes/);
    assert.match(said.text, /Is trying again safe\n {2}No: /);
    await assert.rejects(run({ flags: { explain: "flux/nothing" } }), { code: "cli/usage" });
  });

  test("says so when the cluster refuses", async () => {
    const { code, said } = await run({ kubeconfig: KUBECONFIG });
    assert.equal(code, 3);
    assert.match(said.text, /^It is not known how the appliance is: Kubernetes does not answer/);
  });

  test("knows from outside of the box only what the cluster shows", async () => {
    const { server, kube } = memoryKube();
    await kube.create({ apiVersion: "v1", kind: "Node", metadata: { name: "box" }, spec: {} });
    const conditions = [{ type: "Ready", status: "True", lastTransitionTime: "2026-11-21T09:00:00Z" }];
    const node = { apiVersion: "v1", kind: "Node", name: "box" };
    await kube.patch(node, { status: { conditions } }, { subresource: "status" });
    const { code, said } = await run({ kubeconfig: KUBECONFIG, fetch: server.fetch });
    assert.equal(code, 3);
    assert.match(said.text, /^Nothing is installed on this cluster yet\nNext: Open the setup address that the console/);
  });

  test("tells at once of a kubelet that has been silent for half a minute, by the time of the API server", async () => {
    const { server, kube } = memoryKube();
    await kube.create({ apiVersion: "v1", kind: "Node", metadata: { name: "box" }, spec: {} });
    const conditions = [{ type: "Ready", status: "True", lastTransitionTime: "2026-11-21T09:00:00Z" }];
    await kube.patch(
      { apiVersion: "v1", kind: "Node", name: "box" },
      { status: { conditions } },
      { subresource: "status" },
    );
    // Another clock than ours: only the API server's is compared.
    const serverMs = Date.UTC(2031, 0, 1);
    const spec = { holderIdentity: "box", renewTime: new Date(serverMs - 31_000).toISOString() };
    const metadata = { name: "box", namespace: "kube-node-lease" };
    await kube.create({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec });
    const silentAfter = async (aheadMs: number): Promise<string | undefined> => {
      const date = new Date(serverMs + aheadMs).toUTCString();
      const fetch: Fetch = async (request) => {
        const answer = await server.fetch(request);
        answer.headers.set("date", date);
        return answer;
      };
      const { said } = await run({ kubeconfig: KUBECONFIG, fetch });
      return applianceStatusSchema.parse(said.value).checks.find(({ code }) => code === "node/silent")?.state;
    };
    assert.deepEqual([await silentAfter(0), await silentAfter(-15_000)], ["failed", "ok"]);
  });

  test("folds by itself from a kubeconfig, and reads the release from the cluster", async () => {
    const { server, kube } = memoryKube();
    await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "alga-system" } });
    await kube.create({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "appliance-release-selection", namespace: "alga-system" },
      data: { releaseVersion: "1.0.3", manifestDigest: `sha256:${"a".repeat(64)}`, selectedChannel: "stable" },
    });
    const { code, said } = await run({ kubeconfig: KUBECONFIG, fetch: server.fetch });
    const status = applianceStatusSchema.parse(said.value);
    assert.equal(code, 3);
    assert.deepEqual([status.release?.version, status.release?.channel], ["1.0.3", "stable"]);
    assert.equal(status.checks.find((check) => check.code === "node/none")?.state, "failed");
    assert.match(said.text, /Kubernetes has no node to run on\. \(node\/none\)/);
  });

  test("asks a control plane with the password", async () => {
    const { code, said } = await run({
      flags: remote,
      stdin: "right\n",
      fetch: controlPlane(() => situation("healthy")),
    });
    assert.equal(code, 0);
    assert.match(said.text, /^Everything works\n/);
    assert.match(said.text, /✓ Login {12}ready {6}The login page answers/);
  });

  test("shows the cause, the evidence and the next step of what failed, and not what follows from it", async () => {
    const fetch = controlPlane(() => situation("image-missing"));
    const { code, said } = await run({ flags: remote, stdin: "right", fetch });
    assert.equal(code, 3);
    assert.match(said.text, /does not exist in the registry\. \(image\/not-found\)/);
    assert.match(said.text, /manifest unknown/);
    assert.match(said.text, /Trying again without a change does not help\./);
    assert.doesNotMatch(said.text, /login\/refused/);
  });

  test("names a wrong password, a missing one, and an answer that is not ours", async () => {
    const fetch = controlPlane(() => situation("healthy"));
    await assert.rejects(run({ flags: remote, stdin: "wrong", fetch }), { code: "session/wrong-password" });
    await assert.rejects(run({ flags: { url: remote.url }, fetch }), { code: "session/required" });
    await assert.rejects(run({ flags: { url: remote.url }, fetch: async () => Response.json({}) }), {
      code: "json/shape",
    });
    await assert.rejects(run({ flags: { url: "ftp://x" }, fetch }), { code: "cli/usage" });
  });

  test("waits for a tier, and gives up with what was seen last", async () => {
    let asked = 0;
    const fetch = controlPlane(() => {
      asked += 1;
      return { ...situation(asked > 2 ? "healthy" : "image-missing"), generation: asked };
    });
    const waited = await run({ flags: { ...remote, for: "login", timeout: "20s" }, stdin: "right", fetch });
    assert.equal(waited.code, 0);
    const never = controlPlane(() => situation("image-missing"));
    const { code, said } = await run({
      flags: { ...remote, for: "login", timeout: "300ms" },
      stdin: "right",
      fetch: never,
    });
    assert.equal(code, 3);
    assert.deepEqual(said.notices, ["Login was not ready within 300ms: The login page does not answer"]);
    assert.equal(applianceStatusSchema.parse(said.value).tiers.login.state, "failed");
  });
});
