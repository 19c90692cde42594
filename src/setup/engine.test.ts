import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { test } from "node:test";
import { ANSWERS, type Bench, openBench } from "../../test/crash/bench.ts";
import { createFakeBox, FOREVER_MS } from "../../test/crash/fake-box.ts";
import { createMemoryFiles, type MemoryFiles } from "../../test/crash/memory-files.ts";
import { absent, NO_NETWORK } from "../../test/crash/no-network.ts";
import { createSampleRegistry, createStage, type Stage } from "../../test/crash/stage.ts";
import { SETUP_STEP_IDS } from "../../test/support/setup-steps.ts";
import { ApplianceError, type ErrorCode, isApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Fetch } from "../core/ports.ts";
import { readInstalled } from "../status/installed.ts";
import { createSetup } from "./engine.ts";
import { secretValues } from "./objects.ts";
import { setupRoutes } from "./routes.ts";

const REGISTRY = "registry.test:5000";
const signal = new AbortController().signal;

interface Scene extends Bench {
  readonly files: MemoryFiles;
  readonly stage: Stage;
  /** Values of a Secret in msp. */
  secret(name: string): Promise<Readonly<Record<string, string>>>;
}

interface Change {
  readonly registry?: Fetch;
  readonly license?: Fetch;
  readonly tenantSecret?: "hashed" | "plaintext";
}

async function scene(change: Change = {}): Promise<Scene> {
  const box = createFakeBox({ instant: true });
  const files = createMemoryFiles(() => box.clock.now());
  const stage = await createStage(box);
  const registry = change.registry ?? createSampleRegistry(REGISTRY, change.tenantSecret);
  const deps = {
    clock: box.clock,
    random: box.random,
    files,
    transports: { open: () => registry },
    network: NO_NETWORK,
    machine: box.machineOf(box.spawn()),
    exec: absent,
    log: SILENT_LOG,
  };
  const bench = openBench(deps, {
    root: "/",
    registry: REGISTRY,
    kube: { server: "http://api", fetch: stage.kube },
    license: { url: "http://license", fetch: change.license ?? stage.license },
    followMs: FOREVER_MS,
  });
  const secret = async (name: string): Promise<Readonly<Record<string, string>>> =>
    secretValues(await bench.deps.kube.get({ apiVersion: "v1", kind: "Secret", namespace: "msp", name }));
  return { ...bench, files, stage, secret };
}

async function run(given: Scene, answers: unknown = ANSWERS) {
  await given.setup.start(answers, signal);
  return given.operations.settled();
}
const code = (wanted: ErrorCode) => (thrown: unknown) => isApplianceError(thrown, wanted);

test("the wizard sees channels, network, policy and what was answered, and no secret", async () => {
  const given = await scene();
  const before = await given.setup.config(signal);
  assert.deepEqual(
    [before.mode, before.channels.map(({ name, version }) => `${name} ${version}`)],
    ["setup", ["stable 1.0.3"]],
  );
  assert.deepEqual([before.network.addresses, before.registry, before.operation], [["192.0.2.10"], REGISTRY, null]);
  await run(given);
  const afterwards = await given.setup.config(signal);
  assert.equal(afterwards.mode, "status");
  assert.equal(afterwards.defaults.adminEmail, "ada@example.com");
  assert.doesNotMatch(JSON.stringify(afterwards), /Correct-horse|K7QPM2RX/);
});

test("a plan tells everything and changes nothing", async () => {
  const given = await scene();
  const objects = await given.stage.objects();
  const plan = await given.setup.plan(
    { ...ANSWERS, adminPassword: undefined, adminPasswordConfirm: undefined },
    signal,
  );
  assert.deepEqual(
    plan.steps.map(({ id }) => id),
    SETUP_STEP_IDS,
  );
  assert.equal(
    plan.totalBytes,
    plan.downloads.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  );
  assert.ok(plan.totalBytes > 0 && plan.expectedMs > 0);
  const changes = plan.changes.map(
    ({ kind, namespace, name, action }) => `${action} ${kind} ${namespace ?? ""}/${name}`,
  );
  assert.ok(changes.includes("create HelmRelease alga-system/alga-core"));
  assert.ok(changes.includes("create Secret msp/appliance-initial-tenant"));
  assert.ok(changes.includes("create OCIRepository flux-system/alga-appliance"));
  assert.equal(new Set(changes).size, changes.length);
  assert.ok(plan.warnings.some((warning) => warning.includes("unverified")));
  assert.deepEqual(await given.stage.objects(), objects);
  assert.equal(
    [...given.files.snapshot().keys()].some((path) => /answers|secrets|journal/.test(path)),
    false,
  );
  assert.equal((await given.setup.plan(ANSWERS, signal)).digest, plan.digest, "secrets are no part of a plan");
});

test("what was planned is what is started; another plan is refused", async () => {
  const given = await scene();
  const plan = await given.setup.plan(ANSWERS, signal);
  const other = { ...ANSWERS, tenantName: "Other", planDigest: plan.digest };
  await assert.rejects(given.setup.start(other, signal), code("setup/release-changed"));
  assert.equal(given.operations.current(), undefined);
  const done = await run(given, { ...ANSWERS, planDigest: plan.digest });
  assert.equal(done?.state, "done");
  const history = await given.deps.store.readHistory();
  assert.deepEqual(
    [history[0]?.state, history[0]?.about.version, history[0]?.about.channel],
    ["done", "1.0.3", "stable"],
  );
  await assert.rejects(given.setup.start(ANSWERS, signal), code("setup/already-done"));
});

test("the Secrets are those of the contract, and nothing is left on disk", async () => {
  const given = await scene();
  assert.equal((await run(given))?.state, "done");
  const tenant = await given.secret("appliance-initial-tenant");
  const { INITIAL_ADMIN_PASSWORD_HASH: hash = "", ...rest } = tenant;
  assert.deepEqual(rest, {
    INITIAL_TENANT_NAME: "Example Ltd",
    INITIAL_ADMIN_FIRST_NAME: "Ada",
    INITIAL_ADMIN_LAST_NAME: "Admin",
    INITIAL_ADMIN_EMAIL: "ada@example.com",
    INITIAL_TENANT_ID: "tenant-1",
    INITIAL_ADMIN_PASSWORD_ALGORITHM: "pbkdf2-sha512",
    INITIAL_ADMIN_PASSWORD_ITERATIONS: "1000",
    INITIAL_ADMIN_PASSWORD_KEY_LENGTH: "64",
  });
  const [salt = "", hex] = hash.split(":");
  assert.equal(pbkdf2Sync(ANSWERS.adminPassword, salt, 1_000, 64, "sha512").toString("hex"), hex);
  assert.deepEqual(await given.secret("appliance-license-seed"), {
    EDITION_CHOICE: "ee",
    INSTALL_EDITION: "pro",
    LICENSE_TOKEN: "a.b.c",
    APPLIANCE_ID: "appliance-0123456789abcdef",
    APPLIANCE_CREDENTIAL: "credential-1",
  });
  assert.equal(Buffer.from((await given.secret("alga-psa-shared")).ALGA_AUTH_KEY ?? "", "base64url").length, 32);
  assert.deepEqual(await given.deps.store.secretNames(), []);
  const everything = JSON.stringify([...given.files.snapshot()]);
  assert.doesNotMatch(everything, /Correct-horse|K7QPM2RX|credential-1|ALGA_AUTH_KEY/);
});

test("a release that wants the plain password gets it only until the bootstrap job is done", async () => {
  const given = await scene({ tenantSecret: "plaintext" });
  let seen: string | undefined;
  given.operations.subscribe((event) => {
    if (event.type === "journal" && event.entry.kind === "step-done" && event.entry.step === "secrets")
      seen = "written";
  });
  assert.equal((await run(given))?.state, "done");
  assert.equal(seen, "written");
  const tenant = await given.secret("appliance-initial-tenant");
  assert.equal(tenant.INITIAL_ADMIN_PASSWORD, undefined);
  assert.equal(tenant.INITIAL_ADMIN_PASSWORD_HASH, undefined);
  assert.equal(tenant.INITIAL_ADMIN_EMAIL, "ada@example.com");
});

test("a key and a credential that the cluster has are kept", async () => {
  const given = await scene();
  const data = (values: Record<string, string>) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
  const make = (name: string, values: Record<string, string>) =>
    given.deps.kube.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace: "msp" },
      data: data(values),
    });
  await given.deps.kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "msp" } });
  await make("alga-psa-shared", { ALGA_AUTH_KEY: "old-key" });
  await make("appliance-license-seed", { APPLIANCE_CREDENTIAL: "old-credential" });
  const done = await run(given, { ...ANSWERS, editionChoice: "ce" });
  assert.equal(done?.state, "done", JSON.stringify(done?.problem));
  assert.equal((await given.secret("alga-psa-shared")).ALGA_AUTH_KEY, "old-key");
  assert.deepEqual(await given.secret("appliance-license-seed"), {
    APPLIANCE_CREDENTIAL: "old-credential",
    EDITION_CHOICE: "ce",
  });
});

test("an install code that was used up blocks, names the answer, and a new one goes on where it stopped", async () => {
  let codes = 0;
  const license: Fetch = async (request) => {
    const { claim_code: given } = (await request.json()) as { claim_code: string };
    codes += 1;
    return given === "NEWCODE1"
      ? Response.json({ tenant_id: "t2" })
      : Response.json({ code: "consumed_claim_code" }, { status: 409 });
  };
  const given = await scene({ license });
  const blocked = await run(given);
  assert.deepEqual([blocked?.state, blocked?.step, blocked?.problem?.fields], ["blocked", "secrets", ["installCode"]]);
  assert.equal(codes, 1, "a used code is not sent again by itself");
  assert.deepEqual((await given.setup.config(signal)).secretsKept, ["adminPassword", "installCode"]);
  const started: string[] = [];
  given.operations.subscribe((event) => {
    if (event.type === "journal" && event.entry.kind === "step-started") started.push(event.entry.step);
  });
  const {
    adminPassword: _password,
    adminPasswordConfirm: _confirm,
    ...corrected
  } = { ...ANSWERS, installCode: "newcode1" };
  const done = await run(given, corrected);
  assert.equal(done?.state, "done", JSON.stringify(done?.problem));
  assert.equal(started[0], "secrets");
  assert.equal((await given.secret("appliance-initial-tenant")).INITIAL_TENANT_ID, "t2");
});

test("a corrected address runs the values again, with the same release and the same password", async () => {
  let away = false;
  const sample = createSampleRegistry(REGISTRY);
  const registry: Fetch = async (request) => {
    if (away) throw new ApplianceError("net/unreachable", "Cannot connect to the registry: nobody is there");
    return sample(request);
  };
  const license: Fetch = async () => Response.json({ code: "expired_claim_code" }, { status: 410 });
  const given = await scene({ registry, license });
  assert.equal((await run(given))?.state, "blocked");
  away = true;
  const done = await run(given, {
    ...ANSWERS,
    appHostname: "psa2.example.com",
    editionChoice: "ce",
    adminPassword: "",
    adminPasswordConfirm: "",
  });
  assert.equal(done?.state, "done", JSON.stringify(done?.problem));
  const values = JSON.stringify((await given.stage.objects()).get("ConfigMap alga-system/appliance-values-alga-core"));
  assert.match(values, /https:\/\/psa2\.example\.com/);
});

test("a damaged release.json makes no new box of one that is set up, and is logged once", async () => {
  const given = await scene();
  assert.equal((await run(given))?.state, "done");
  const path = "/var/lib/alga-appliance/release.json";
  const before = JSON.parse(new TextDecoder().decode(await given.files.read(path, { maxBytes: 65_536 })));
  const warnings: string[] = [];
  const deps = { ...given.deps, log: { ...SILENT_LOG, warn: (message: string) => void warnings.push(message) } };
  const settings = { controlPlane: "1.0.0", stateFolder: "/var/lib/alga-appliance", rehearsal: false };
  const setup = createSetup(deps, settings, given.operations);
  given.files.garble(path, "\0\0\0");
  for (let reads = 0; reads < 3; reads += 1) assert.equal(await setup.mode(), "status");
  assert.deepEqual(await readInstalled(deps), before);
  await assert.rejects(setup.start(ANSWERS, signal), code("setup/already-done"));
  assert.equal(warnings.length, 1);
});

test("an older release is refused also where release.json is damaged", async () => {
  const given = await scene();
  assert.equal((await run(given))?.state, "done");
  const [record] = await given.deps.store.readHistory();
  assert.ok(record !== undefined);
  const about = { ...record.about, version: "2.0.0" };
  await given.deps.store.appendHistory({ ...record, operationId: "0002-update", kind: "update", about });
  await given.deps.store.appendHistory({ ...record, operationId: "0003-update", kind: "update", state: "cancelled" });
  given.files.garble("/var/lib/alga-appliance/release.json", "{");
  await assert.rejects(given.setup.plan(ANSWERS, signal), code("release/downgrade"));
  await assert.rejects(given.setup.plan(ANSWERS, signal), code("release/downgrade"));
});

test("a release.json that is damaged before the login page answers is made anew", async () => {
  const given = await scene();
  given.operations.subscribe((event) => {
    if (event.type === "journal" && event.entry.kind === "step-done" && event.entry.step === "selection")
      given.files.garble("/var/lib/alga-appliance/release.json", "{");
  });
  assert.equal((await run(given))?.state, "done");
  assert.equal(await given.setup.mode(), "status");
});

test("a second start is refused while one runs, and answers keep what the operator gave", async () => {
  const given = await scene();
  await given.setup.start(ANSWERS, signal);
  await assert.rejects(given.setup.start({ ...ANSWERS, tenantName: "Second" }, signal), code("operation/busy"));
  await given.operations.settled();
  assert.equal((await given.setup.config(signal)).defaults.tenantName, "Example Ltd");
});

test("a registry that is away is told in the configuration, and blocks nothing else", async () => {
  const given = await scene({
    registry: async () => Promise.reject(new ApplianceError("net/unreachable", "Cannot connect: refused")),
  });
  const config = await given.setup.config(signal);
  assert.deepEqual([config.channels, config.channelsProblem?.code], [[], "release/offline"]);
  await assert.rejects(given.setup.plan(ANSWERS, signal), code("net/unreachable"));
  const view = await given.setup.start(ANSWERS, signal);
  assert.equal(view.state, "running");
  const end = await given.operations.settled();
  assert.equal(end?.step, "preflight");
  assert.match(JSON.stringify(end?.problem), /network\/registry-unreachable/);
  assert.deepEqual((await given.setup.config(signal)).secretsKept, ["adminPassword", "installCode"]);
});

test("the routes say what the contract says", async () => {
  const given = await scene();
  const routes = setupRoutes(given.setup);
  const call = (method: string, path: string, body?: unknown): Promise<Response> => {
    const route = routes.find((one) => one.method === method && one.path === path);
    assert.ok(route !== undefined && route.access === "session");
    const url = new URL(`http://box${path}`);
    return route.handle({ request: new Request(url, { method }), url, params: {}, peer: "", signal, body });
  };
  assert.equal((await call("GET", "/api/setup/config")).status, 200);
  assert.equal((await call("POST", "/api/setup/plan", ANSWERS)).status, 200);
  await assert.rejects(call("POST", "/api/setup", { ...ANSWERS, adminEmail: "x" }), code("setup/invalid-answers"));
  const started = await call("POST", "/api/setup", ANSWERS);
  assert.equal(started.status, 202);
  const { operation } = (await started.json()) as { operation: { id: string } };
  assert.equal(operation.id, "0001-setup");
  await given.operations.settled();
});

test("keys of the box that cannot be read leave the wizard up, without a plan and without a run", async () => {
  const given = await scene();
  const unreadable = new ApplianceError("trust/bad-key", "Cannot use trusted key", { hint: "Replace the file" });
  const trust = { read: () => Promise.reject(unreadable) };
  const deps = { ...given.deps, registry: { ...given.deps.registry, trust } };
  const settings = { controlPlane: "1.0.0", stateFolder: "/var/lib/alga-appliance", rehearsal: false };
  const setup = createSetup(deps, settings, given.operations);
  const { channels, channelsProblem } = await setup.config(signal);
  assert.deepEqual([channels, channelsProblem?.code, channelsProblem?.hint], [[], "trust/bad-key", "Replace the file"]);
  await assert.rejects(setup.plan(ANSWERS, signal), code("trust/bad-key"));
});
