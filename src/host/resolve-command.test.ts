/** What `host resolve-control-plane-image` learns from registry, cluster, node, record and payload, and what it prints. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { kubeDeps, memoryKube } from "../../test/support/kubernetes.ts";
import { ApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps, ExecResult } from "../core/ports.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { createMemoryFiles, type MemoryFiles } from "../rehearsal/memory-files.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { commands } from "./command.ts";
import { CONTROL_PLANE, gatherControlPlaneFacts, VERSION_ANNOTATION } from "./control-plane-facts.ts";
import { readRecord, remember } from "./control-plane-record.ts";

const HOST = "registry.test:5000";
const BASE = `${HOST}/nine-minds/alga-appliance-control-plane`;
const BAKED = "localhost/alga-appliance-control-plane:baked";
const PATHS = statePaths("/box");
const signal = new AbortController().signal;

interface Given {
  readonly registry?: "away" | "hangs";
  readonly nodeHas?: readonly string[];
  readonly noContainerd?: boolean;
  readonly flags?: Readonly<Record<string, string | boolean>>;
  readonly payload?: boolean;
}

function world(given: Given = {}) {
  const { fetch, store } = createRegistryServer();
  const release = buildSampleRelease(store, {
    registry: HOST,
    version: "1.0.3",
    channels: ["stable"],
    imageTag: "62cdce38",
  });
  const files: MemoryFiles = createMemoryFiles();
  if (given.payload !== false) files.garble("/box/opt/alga-appliance/control-plane/images/control-plane.tar", "tar");
  const wire = (request: Request): Promise<Response> => {
    if (given.registry === "hangs") return new Promise(() => {});
    if (given.registry === "away") throw new ApplianceError("net/unreachable", "Cannot reach the registry: it is down");
    return Promise.resolve(fetch(request));
  };
  const argvs: string[][] = [];
  const exec: Deps["exec"] = async (argv) => {
    argvs.push([...argv]);
    if (given.noContainerd === true) return { ...ENDED, code: 1, stderr: "ctr: failed to dial: connection refused" };
    return { ...ENDED, stdout: `${(given.nodeHas ?? []).join("\n")}\n` };
  };
  const clock = { ...kubeDeps.clock, sleep: async () => {} };
  const deps = { ...kubeDeps, clock, files, exec, transports: { open: () => wire } };
  const digest = release.imageDigests.controlPlane ?? "";
  const run = async (flags: Readonly<Record<string, string | boolean>> = {}) => {
    const command = commands.find(({ path }) => path[1] === "resolve-control-plane-image");
    assert.ok(command !== undefined);
    const all = { registry: HOST, ...given.flags, ...flags };
    const { context, said } = commandContext({ deps, flags: all });
    const code = await command.run(context);
    return { code, text: said.text, value: said.value as { readonly origin: string; readonly why: string } };
  };
  return { files, run, argvs, deps, channelImage: `${BASE}@${digest}` };
}

const ENDED: ExecResult = { code: 0, stdout: "", stderr: "", truncated: false };

describe("host resolve-control-plane-image", () => {
  it("makes a whole reference of a bare tag, under the registry with its port, by the digest that it has now", async () => {
    const { run, channelImage } = world();
    const { text, code } = await run();
    assert.deepEqual([code, text], [0, `${channelImage}\nThe channel names it, and it can be had`]);
  });
  it("takes the one that the box brought when the registry is away on the first boot", async () => {
    const { text } = await world({ registry: "away" }).run();
    assert.match(text, new RegExp(`^${BAKED}\nNo control plane runs, and the box brought this one; .*it is down`));
  });
  it("waits no longer for a silent registry than it was told", async () => {
    const { value } = await world({ registry: "hangs" }).run({ ask: "20ms" });
    assert.equal(value.origin, "baked");
    assert.match(value.why, /Cannot wait longer for registry "registry\.test:5000"/);
  });
  it("keeps to what was healthy last while the registry is away: its image is on the node", async () => {
    const { run, deps, channelImage, argvs } = world({ registry: "away", nodeHas: ["other", "X"] });
    await remember(deps, { image: "X", version: "1.0.3" }, { paths: PATHS, as: "healthy" });
    const { text } = await run();
    assert.match(text, /^X\nNo control plane runs, and this one was healthy last/);
    assert.deepEqual(argvs, [["/box/usr/local/bin/k3s", "ctr", "images", "list", "-q"]]);
    assert.notEqual(channelImage, "X");
  });
  it("does not take what has failed before, also when the channel still names it", async () => {
    const { run, deps, channelImage } = world();
    await remember(deps, { image: channelImage, version: "1.0.3" }, { paths: PATHS, as: "failed" });
    const { value } = await run();
    assert.equal(value.origin, "baked");
    await remember(deps, { image: channelImage, version: "1.0.3" }, { paths: PATHS, as: "healthy" });
    assert.equal((await run()).value.origin, "channel");
  });
  it("answers also while containerd does not run", async () => {
    assert.equal((await world({ noContainerd: true, registry: "away" }).run()).value.origin, "baked");
  });
  it("says that a box without a payload and a registry has none", async () => {
    await assert.rejects(world({ registry: "away", payload: false }).run(), { code: "host/no-control-plane" });
  });
  it("follows the release that is installed, not the channel of the settings", async () => {
    const { run, files, deps } = world();
    await files.makeDirectory(PATHS.state);
    const digest = `sha256:${"a".repeat(64)}`;
    const installed = { channel: "nightly", version: "9.9.9", digest, verifiedBy: "none", answersDigest: digest };
    const rest = { registry: HOST, repository: "r", appUrl: "https://x", installedAt: null };
    await deps.files.write(
      `${PATHS.state}/release.json`,
      JSON.stringify({ schema: "alga.appliance.installed/v1", ...installed, ...rest }),
    );
    assert.match((await run()).value.why, /has no such channel|"nightly"/);
  });
});

describe("what runs in the cluster", () => {
  const deployment = (image: string, status: object) => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: CONTROL_PLANE.name,
      namespace: CONTROL_PLANE.namespace,
      annotations: { [VERSION_ANNOTATION]: "1.0.1" },
    },
    spec: {
      replicas: 1,
      selector: { matchLabels: { a: "b" } },
      template: { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "control-plane", image }] } },
    },
    status,
  });
  const ended = {
    observedGeneration: 1,
    conditions: [{ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "late" }],
  };
  interface Ended {
    readonly restarts?: number;
    readonly proven?: boolean;
  }
  const factsWith = async (status: object, waiting?: string, { restarts = 0, proven = false }: Ended = {}) => {
    const { deps } = world({ registry: "away" });
    if (proven) await remember(deps, { image: "X", version: "1.0.1" }, { paths: PATHS, as: "healthy" });
    const { kube } = memoryKube();
    await kube.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: CONTROL_PLANE.namespace } });
    const made = deployment("X", {});
    await kube.apply(made);
    await kube.patch(CONTROL_PLANE, { status }, { subresource: "status" });
    if (waiting !== undefined) await applyPod(kube, waiting, restarts);
    const place = { registry: HOST, base: "nine-minds" };
    const options = {
      paths: PATHS,
      kube,
      images: new Set(["X"]),
      follows: { registry: { place }, ref: { channel: "stable" } },
      askMs: 1_000,
      signal,
    };
    return (await gatherControlPlaneFacts(deps, options)).running;
  };
  const applyPod = async (
    kube: ReturnType<typeof memoryKube>["kube"],
    reason: string,
    restartCount: number,
  ): Promise<void> => {
    const labels = { "app.kubernetes.io/name": CONTROL_PLANE.name };
    const pod = { apiVersion: "v1", kind: "Pod", namespace: CONTROL_PLANE.namespace, name: "one" };
    const metadata = { name: "one", namespace: CONTROL_PLANE.namespace, labels };
    await kube.apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: { containers: [{ name: "control-plane", image: "X" }] },
    });
    const containerStatuses = [{ name: "control-plane", restartCount, state: { waiting: { reason } } }];
    await kube.patch(pod, { status: { containerStatuses } }, { subresource: "status" });
  };
  const comes = { observedGeneration: 1, replicas: 1, updatedReplicas: 1 };
  const cases = [
    [
      "is healthy when it is available",
      { observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1 },
      undefined,
      "healthy",
    ],
    [
      "is not judged while it rolls out",
      { observedGeneration: 1, replicas: 1, updatedReplicas: 1 },
      undefined,
      "unknown",
    ],
    ["is unhealthy when its rollout had its time", ended, "CrashLoopBackOff", "unhealthy"],
    ["is not unhealthy because its image cannot be pulled", ended, "ImagePullBackOff", "unknown"],
    [
      "is not given its whole time when it has ended three times",
      comes,
      "CrashLoopBackOff",
      "unhealthy",
      { restarts: 3 },
    ],
    ["is given its time when it has ended twice", comes, "CrashLoopBackOff", "unknown", { restarts: 2 }],
    [
      "is given its time when it was healthy here once",
      comes,
      "CrashLoopBackOff",
      "unknown",
      { restarts: 9, proven: true },
    ],
  ] as const;
  for (const [name, status, waiting, health, more] of cases) {
    it(name, async () => {
      assert.deepEqual(await factsWith(status, waiting, more), {
        image: "X",
        version: "1.0.1",
        health,
        obtainable: true,
      });
    });
  }
});

describe("the record", () => {
  it("forgets the oldest failures, and moves a damaged file aside instead of trusting it", async () => {
    const files = createMemoryFiles();
    const deps = { ...kubeDeps, files };
    for (let at = 0; at < 25; at += 1) {
      await remember(deps, { image: `i${at}`, version: null }, { paths: PATHS, as: "failed" });
    }
    const { failed } = await readRecord(deps, PATHS);
    assert.deepEqual([failed.length, failed.at(-1)?.image], [20, "i24"]);
    files.garble(`${PATHS.host}/control-plane.json`, '{"schema":"alga.appl');
    assert.deepEqual((await readRecord(deps, PATHS)).failed, []);
    assert.ok([...files.snapshot().keys()].some((path) => path.includes("control-plane.json.corrupt-")));
  });
});
