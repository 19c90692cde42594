// A whole setup on the box, as an operator does it, and everything it leaves behind: objects, owners, digests, values,
// files, and what must not be found anywhere.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { BOX, inBox, kubectl } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { REGISTRY } from "../../scripts/lab/registry.ts";
import type { LabState } from "../../scripts/lab/up.ts";
import {
  ADMIN_PASSWORD,
  ANSWERS,
  type Appliance,
  loginAnswers,
  MANAGEMENT_PASSWORD,
  type Operation,
  signIn,
} from "./appliance.ts";
import { controlPlanePids, exists, isReady, object, objects, owners, secretValues } from "./cluster.ts";
import type { Case } from "./runner.ts";

const MINUTE = 60;
const FLUX = "flux-system";
const SYSTEM = "alga-system";
const APP = "msp";
const RELEASES = ["alga-core", "pgbouncer", "temporal", "email-service", "workflow-worker", "temporal-worker"];
const STATE = join(BOX.tree, "var/lib/alga-appliance");

interface Plan {
  readonly release: { readonly version: string; readonly digest: string };
  readonly steps: readonly { readonly id: string }[];
}

/** The cases build on each other: the first ones drive the setup, the rest looks at what it made. */
export function goodDay(lab: LabState, appliance: Appliance): Case[] {
  let operation: Operation;
  return [
    {
      name: "the pod runs as it will: uid 10001, no capability, read-only root, seccomp",
      run: async () => podIsConfined(),
    },
    {
      name: "healthz says setup, and nothing else answers without a session",
      run: async () => {
        assert.deepEqual((await appliance.call("GET", "/healthz")).body, { ok: true, mode: "setup" });
        assert.equal((await appliance.call("GET", "/api/setup/config")).status, 401);
        assert.equal((await appliance.call("POST", "/api/setup", ANSWERS)).status, 401);
      },
    },
    {
      name: "a wrong token is refused, the right one claims the appliance and is used up",
      run: async () => {
        const wrong = await appliance.call("POST", "/api/session/claim", {
          token: "0000-0000-0000-0000-0000",
          password: MANAGEMENT_PASSWORD,
        });
        assert.ok(wrong.status === 401 || wrong.status === 403, `status ${wrong.status}`);
        await appliance.claim(lab.setupToken);
        const again = await appliance.call("POST", "/api/session/claim", {
          token: lab.setupToken,
          password: "Another-Passw0rd-99!",
        });
        assert.ok(again.status >= 400, `status ${again.status}`);
      },
    },
    {
      name: "the wizard is offered the release as published, by its digest",
      run: async () => {
        const config = await appliance.ask<{
          channels: { name: string; version: string; digest: string }[];
          registry: string;
        }>("GET", "/api/setup/config");
        const stable = config.channels.find((channel) => channel.name === "stable");
        assert.equal(stable?.version, "1.0.0");
        assert.equal(stable?.digest, lab.releaseDigest);
      },
    },
    {
      name: "wrong answers come back field by field, and nothing begins",
      run: async () => {
        const wrong = { ...ANSWERS, adminEmail: "nobody", appHostname: "http://a b/", adminPasswordConfirm: "x" };
        const answer = await appliance.call<{ errors: { field: string }[] }>("POST", "/api/setup", wrong);
        assert.equal(answer.status, 400);
        assert.deepEqual(answer.body.errors.map((one) => one.field).sort(), [
          "adminEmail",
          "adminPasswordConfirm",
          "appHostname",
        ]);
        assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
      },
    },
    {
      name: "the plan names the release and its steps, and changes nothing",
      run: async () => {
        const plan = await appliance.ask<Plan>("POST", "/api/setup/plan", ANSWERS);
        assert.equal(plan.release.digest, lab.releaseDigest);
        assert.equal(plan.steps[0]?.id, "preflight");
        assert.equal(plan.steps.at(-1)?.id, "login");
        assert.ok(!exists("namespace", "default", FLUX), "the plan made namespace flux-system");
      },
    },
    {
      name: "setup starts, and a second start is refused while it runs",
      run: async () => {
        operation = await appliance.start(ANSWERS);
        const second = await appliance.call("POST", "/api/setup", ANSWERS);
        assert.ok(second.status === 409 || second.status === 202, `status ${second.status}`);
        const { operations } = await appliance.ask<{ operations: Operation[] }>("GET", "/api/operations");
        assert.equal(operations.length, 1);
      },
    },
    {
      name: "setup ends, the login page answers and the status says running",
      run: async () => {
        const done = await appliance.finishes(operation.id, 15 * MINUTE);
        // Asked at once, because it is a promise: whoever is told "done" is never told "installing" afterwards.
        const status = await appliance.status();
        assert.equal(status.phase, "running");
        assert.equal(status.release?.digest, lab.releaseDigest);
        assert.ok(
          done.steps.every((step) => step.state === "done" || step.state === "skipped"),
          JSON.stringify(done.steps),
        );
        assert.match((await loginAnswers()).url, /\/auth\/signin$/);
        const tiers = ["platform", "core", "bootstrap", "login"];
        await appliance.shows("four tiers ready", 3 * MINUTE, (now) =>
          tiers.every((tier) => now.tiers[tier]?.state === "ready"),
        );
      },
    },
    {
      name: "the administrator signs in with the chosen password, and with no other",
      run: async () => {
        assert.equal(await signIn("ada.obrien@example.com", ADMIN_PASSWORD), 200);
        assert.equal(await signIn("ada.obrien@example.com", `${ADMIN_PASSWORD}x`), 401);
      },
    },
    {
      name: "Flux runs from its own manifests, and its source is pinned by digest",
      run: async () => sourceIsPinned(lab),
    },
    {
      name: "all six releases become Ready with the charts of the release, and so does the last tier",
      run: async () => {
        await allReleasesReady(appliance);
        for (const release of objects("helmrelease", SYSTEM)) {
          const chart = release.spec.chart as { spec: { chart: string; version: string } };
          assert.equal(chart.spec.version, lab.published.charts[chart.spec.chart], release.metadata.name);
          assert.deepEqual(release.spec.targetNamespace, APP);
        }
      },
    },
    { name: "values carry the address, the registry's images and their tags", run: async () => valuesAreRight() },
    {
      name: "the Secrets hold what the contract says, with the password only as a hash",
      run: async () => secretsAreRight(),
    },
    { name: "the release selection is written, and setup owns what it applied", run: async () => ownersAreRight(lab) },
    {
      name: "state files belong to 10001, are closed to others, and the setup token is gone",
      run: async () => filesAreClosed(),
    },
    {
      name: "no password is on the box's disk, in a log, an object or an answer",
      run: async () => nothingLeaks(appliance, operation.id),
    },
  ];
}

function podIsConfined(): void {
  const [pid] = controlPlanePids();
  assert.ok(pid !== undefined, "no process of the control plane");
  const status = inBox(["cat", `/proc/${pid}/status`]).stdout;
  assert.match(status, /^Uid:\t10001\t10001\t10001\t10001$/m);
  assert.match(status, /^Gid:\t10001\t10001\t10001\t10001$/m);
  assert.match(status, /^CapEff:\t0{16}$/m);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(status, /^Seccomp:\t2$/m);
  assert.match(inBox(["cat", `/proc/${pid}/mounts`]).stdout, /^overlay \/ overlay ro,/m);
}

async function sourceIsPinned(lab: LabState): Promise<void> {
  for (const name of ["source-controller", "kustomize-controller", "helm-controller"]) {
    await until(`an available ${name}`, 3 * MINUTE, () => {
      const { availableReplicas } = object("deployment", FLUX, name).status as { availableReplicas?: number };
      return availableReplicas === 1;
    });
  }
  const source = object("ocirepository", FLUX, "alga-appliance");
  assert.equal(source.spec.url, `oci://${REGISTRY.host}/nine-minds/alga-appliance-config`);
  assert.deepEqual(source.spec.ref, { digest: lab.published.configDigest });
  assert.match(
    JSON.stringify(source.status?.artifact ?? null),
    new RegExp(`"revision":"[^"]*${lab.published.configDigest}"`),
  );
  for (const name of ["alga-appliance", "alga-platform", "alga-core"]) {
    await until(`Kustomization ${name} Ready`, 5 * MINUTE, () => isReady(object("kustomization", FLUX, name)));
  }
}

async function allReleasesReady(appliance: Appliance): Promise<void> {
  let waiting: readonly string[] = RELEASES;
  const allReady = () => {
    const found = objects("helmrelease", SYSTEM);
    waiting = RELEASES.filter((name) => !found.some((one) => one.metadata.name === name && isReady(one)));
    return waiting.length === 0;
  };
  await until("six releases Ready", 10 * MINUTE, allReady).catch((problem) => {
    throw new Error(`${problem.message}; not ready: ${waiting.join(", ")}`);
  });
  await appliance.shows("the last tier ready", 5 * MINUTE, (status) => status.tiers.full?.state === "ready");
}

function valuesAreRight(): void {
  const core = parse(
    object("configmap", SYSTEM, "appliance-values-alga-core").data?.["alga-core.single-node.yaml"] ?? "",
  );
  assert.equal(core.appUrl, ANSWERS.appHostname);
  assert.equal(core.host, "10.77.0.2:3000");
  assert.equal(core.domainSuffix, "");
  for (const image of [core.setup.image, core.server.image]) {
    assert.equal(image.name, `${REGISTRY.host}/nine-minds/alga-psa-ee`);
    assert.equal(image.tag, "lab1");
  }
  for (const name of ["workflow-worker", "email-service", "temporal-worker"]) {
    const values = parse(
      object("configmap", SYSTEM, `appliance-values-${name}`).data?.[`${name}.single-node.yaml`] ?? "",
    );
    assert.equal(values.image.repository, `${REGISTRY.host}/nine-minds/${name}`, name);
    assert.equal(values.image.tag, "lab1", name);
  }
}

function secretsAreRight(): void {
  const tenant = secretValues(APP, "appliance-initial-tenant");
  assert.equal(tenant.INITIAL_TENANT_NAME, ANSWERS.tenantName);
  assert.equal(tenant.INITIAL_ADMIN_FIRST_NAME, ANSWERS.adminFirstName);
  assert.equal(tenant.INITIAL_ADMIN_LAST_NAME, ANSWERS.adminLastName);
  assert.equal(tenant.INITIAL_ADMIN_EMAIL, ANSWERS.adminEmail.toLowerCase());
  assert.match(tenant.INITIAL_ADMIN_PASSWORD_HASH ?? "", /^[0-9a-f]+:[0-9a-f]{128}$/);
  assert.equal(tenant.INITIAL_ADMIN_PASSWORD_ALGORITHM, "pbkdf2-sha512");
  assert.equal(tenant.INITIAL_ADMIN_PASSWORD, undefined);
  assert.ok((secretValues(APP, "alga-psa-shared").ALGA_AUTH_KEY ?? "").length >= 32, "ALGA_AUTH_KEY is short");
}

function ownersAreRight(lab: LabState): void {
  const selection = object("configmap", SYSTEM, "appliance-release-selection");
  assert.equal(selection.data?.releaseVersion, "1.0.0");
  assert.equal(selection.data?.selectedChannel, "stable");
  assert.equal(selection.data?.manifestDigest, lab.releaseDigest);
  const applied = [
    object("ocirepository", FLUX, "alga-appliance"),
    object("kustomization", FLUX, "alga-appliance"),
    selection,
    object("configmap", SYSTEM, "appliance-values-alga-core"),
    object("secret", APP, "appliance-initial-tenant"),
    object("secret", APP, "alga-psa-shared"),
  ];
  for (const one of applied)
    assert.ok(owners(one).includes("alga-appliance"), `${one.kind} ${one.metadata.name}: ${owners(one)}`);
  assert.ok(owners(object("helmrelease", SYSTEM, "alga-core")).includes("kustomize-controller"));
}

function filesAreClosed(): void {
  const files = filesBelow(STATE);
  assert.ok(files.length > 3, `only ${files.length} files in the state folder`);
  for (const file of files) {
    const facts = statSync(file, { throwIfNoEntry: false });
    if (facts === undefined) continue;
    assert.equal(facts.uid, 10001, file);
    // What Flux reads of a release is public; no stranger reaches it, because nobody but its owner may enter the folder.
    if (file.startsWith(join(STATE, "kept/"))) continue;
    assert.equal(facts.mode & 0o077, 0, `${file} has mode ${(facts.mode & 0o777).toString(8)}`);
  }
  assert.equal(statSync(STATE).mode & 0o007, 0, "others may enter the state folder");
  assert.ok(!files.some((file) => file.endsWith("/setup-token")), "the setup token is still there");
  assert.equal(JSON.parse(readFileSync(join(STATE, "release.json"), "utf8")).version, "1.0.0");
}

async function nothingLeaks(appliance: Appliance, operationId: string): Promise<void> {
  const pods = objects("pods", "alga-appliance-control-plane").map((pod) => pod.metadata.name);
  const texts = new Map<string, string>();
  for (const pod of pods) texts.set(`log of ${pod}`, read(["-n", "alga-appliance-control-plane", "logs", pod]));
  for (const path of ["/api/status", "/api/setup/config", `/api/operations/${operationId}`]) {
    texts.set(path, JSON.stringify(await appliance.ask("GET", path)));
  }
  texts.set("all ConfigMaps", read(["get", "configmaps,jobs,pods,events", "-A", "-o", "yaml"]));
  for (const file of filesBelow(STATE)) texts.set(file, textOf(file));
  for (const [where, text] of texts) {
    for (const secret of [ADMIN_PASSWORD, MANAGEMENT_PASSWORD])
      assert.ok(!text.includes(secret), `a password is in ${where}`);
  }
  const secrets = read(["get", "secrets", "-A", "-o", "json"]);
  assert.ok(!secrets.includes(Buffer.from(ADMIN_PASSWORD).toString("base64")), "a Secret holds the password itself");
}

/** What kubectl prints; nothing printed would prove nothing. */
function read(argv: readonly string[]): string {
  const { stdout, stderr } = kubectl(argv);
  assert.notEqual(stdout, "", `kubectl ${argv.join(" ")}: ${stderr}`);
  return stdout;
}

// The process lives: what was listed a moment ago may have its final name by now, or be gone.
function filesBelow(folder: string): string[] {
  return whileThere([], () => readdirSync(folder, { withFileTypes: true })).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function textOf(file: string): string {
  return whileThere("", () => readFileSync(file, "utf8"));
}

function whileThere<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch (problem) {
    if (problem instanceof Error && "code" in problem && problem.code === "ENOENT") return otherwise;
    throw problem;
  }
}
