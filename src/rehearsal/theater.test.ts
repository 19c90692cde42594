/** The actors, without a control plane: what Flux, Helm and the kubelet do with a release that somebody applied. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { eventually, wait } from "../../test/support/eventually.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Deps } from "../core/ports.ts";
import { installFlux, pullFluxObjects } from "../flux/install.ts";
import { sourceObjects } from "../flux/source.ts";
import { renderValues } from "../flux/values.ts";
import { createKube, type Kube } from "../kube/client.ts";
import { conditionOf, type KubeObject, type ObjectRef } from "../kube/model.ts";
import { createRegistryClient, type RegistryClient } from "../oci/client.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { systemClock } from "../platform/clock.ts";
import { systemRandom } from "../platform/random.ts";
import { DEFAULT_COMPONENTS } from "../release/components.ts";
import { createStage, type Stage } from "./faults.ts";
import { type ApiServer, createApiServer } from "./kubernetes/api-server.ts";
import { isApplicationServing } from "./login-page.ts";
import { buildSampleRelease, type SampleRelease } from "./sample-release.ts";
import { openTheater, type Theater } from "./theater.ts";

const REGISTRY = "registry.test:5000";
const deps = { clock: systemClock, random: systemRandom, log: SILENT_LOG } satisfies Partial<Deps>;
const RELEASES = { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease" };
const SECRET = { apiVersion: "v1", kind: "Secret", namespace: "msp", name: "appliance-initial-tenant" };

interface Play {
  readonly api: ApiServer;
  readonly kube: Kube;
  readonly registry: RegistryClient;
  readonly release: SampleRelease;
  readonly stage: Stage;
  readonly theater: Theater;
}

async function raise(scenario: string | null): Promise<Play> {
  const api = createApiServer(deps);
  const server = createRegistryServer();
  const release = buildSampleRelease(server.store, { registry: REGISTRY, version: "1.0.3", channels: ["stable"] });
  const registry = createRegistryClient({ ...deps, fetch: server.fetch }, { registry: REGISTRY, plainHttp: true });
  const stage = createStage(scenario);
  const kubeFor = (manager: string): Kube =>
    createKube(deps, { server: "http://api", fetch: api.fetch, headers: async () => ({}) }, { fieldManager: manager });
  const options = {
    stage,
    kubeFor,
    registry,
    registryHost: REGISTRY,
    components: DEFAULT_COMPONENTS,
    logs: api.logs,
    speed: 500,
  };
  return { api, kube: kubeFor("alga-appliance"), registry, release, stage, theater: openTheater(deps, options) };
}

/** What setup does to a cluster, in short. */
async function install({ kube, registry, release }: Play): Promise<void> {
  const place = { registry: REGISTRY, base: "nine-minds" };
  await installFlux(
    { ...deps, kube },
    (await pullFluxObjects(deps, registry, { manifest: release.manifest, place })) ?? [],
  );
  for (const name of ["msp", "alga-system"]) await kube.apply(namespace(name));
  const storageClass = {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "local-path" },
    provisioner: "rancher.io/local-path",
  };
  await kube.apply(storageClass);
  const settings = {
    appUrl: "https://psa.example.com",
    host: "psa.example.com",
    place: { registry: REGISTRY, base: "nine-minds" },
  };
  for (const map of renderValues(release.manifest, settings)) await kube.apply(map);
  const tenant = {
    INITIAL_TENANT_NAME: "A",
    INITIAL_ADMIN_FIRST_NAME: "B",
    INITIAL_ADMIN_LAST_NAME: "C",
    INITIAL_ADMIN_EMAIL: "d@e.f",
    INITIAL_ADMIN_PASSWORD_HASH: "aa:bb",
  };
  await kube.apply({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "msp", name: SECRET.name },
    type: "Opaque",
    stringData: tenant,
  });
  const access = { place, plainHttp: true };
  for (const object of sourceObjects(release, access)) await kube.apply(object);
}

function namespace(name: string): KubeObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  return eventually(what, () => holds().catch(() => false));
}

const readyText = async (kube: Kube, ref: ObjectRef): Promise<string> => {
  const object = await kube.get(ref);
  const ready = object === undefined ? undefined : conditionOf(object, "Ready");
  return `${ready?.status} ${ready?.reason}: ${ready?.message}`;
};

describe("the actors", () => {
  let play: Play;
  before(async () => {
    play = await raise(null);
    await install(play);
  });
  after(async () => {
    await play.theater.close();
    play.api.stop();
  });

  it("bring the release up until the login page serves", async () => {
    await until("the application serves", () => isApplicationServing(play.kube));
    await until("all six releases are ready", async () => {
      const { items } = await play.kube.list(RELEASES);
      return items.length === 6 && items.every((one) => conditionOf(one, "Ready")?.status === "True");
    });
  });

  it("take an image from the values, and the values from the ConfigMap", async () => {
    const app = await play.kube.get({
      apiVersion: "apps/v1",
      kind: "Deployment",
      namespace: "msp",
      name: "alga-core-sebastian",
    });
    assert.match(JSON.stringify(app?.spec), /registry\.test:5000\/nine-minds\/alga-psa-ee:1\.0\.3/);
  });

  it("do nothing new once everything is ready", async () => {
    await until("the background is ready", async () =>
      (
        await readyText(play.kube, {
          apiVersion: "kustomize.toolkit.fluxcd.io/v1",
          kind: "Kustomization",
          namespace: "flux-system",
          name: "alga-background",
        })
      ).startsWith("True"),
    );
    await wait(1_200);
    const before = play.api.revision();
    await wait(300);
    assert.equal(play.api.revision(), before);
  });
});

describe("the scenarios", () => {
  const cases: readonly {
    readonly scenario: string;
    readonly shows: (play: Play) => Promise<string>;
    readonly expected: RegExp;
  }[] = [
    {
      scenario: "image-missing",
      shows: async ({ kube }) =>
        JSON.stringify(
          (await kube.list({ apiVersion: "v1", kind: "Pod", namespace: "msp" })).items.map((pod) => pod.status),
        ),
      expected: /ImagePullBackOff.*alga-psa-ee:1\.0\.3.*not found/,
    },
    {
      scenario: "stuck-helm",
      shows: ({ kube }) => readyText(kube, { ...RELEASES, namespace: "alga-system", name: "temporal" }),
      expected: /InstallFailed.*another operation \(install\/upgrade\/rollback\) is in progress/,
    },
    {
      scenario: "bootstrap-fails",
      shows: async ({ kube }) =>
        JSON.stringify(
          (
            await kube.get({
              apiVersion: "batch/v1",
              kind: "Job",
              namespace: "msp",
              name: "alga-core-sebastian-bootstrap",
            })
          )?.status,
        ),
      expected: /BackoffLimitExceeded/,
    },
    {
      scenario: "node-not-ready",
      shows: async ({ kube }) =>
        JSON.stringify((await kube.get({ apiVersion: "v1", kind: "Node", name: "rehearsal" }))?.status),
      expected: /Kubelet stopped posting node status/,
    },
    {
      scenario: "full-disk",
      shows: async ({ kube }) =>
        JSON.stringify(
          (await kube.list({ apiVersion: "v1", kind: "Pod", namespace: "flux-system" })).items.map((pod) => pod.status),
        ),
      expected: /disk-pressure/,
    },
  ];
  for (const one of cases) {
    it(`${one.scenario} shows its cause, and goes on when it is mended`, async () => {
      const play = await raise(one.scenario);
      try {
        await install(play);
        await until(`${one.scenario}: ${one.expected}`, async () => one.expected.test(await one.shows(play)));
        assert.equal(await isApplicationServing(play.kube).catch(() => false), one.scenario === "stuck-helm");
        play.stage.play(null);
        if (one.scenario === "bootstrap-fails") await restartJob(play.kube);
        await until("the application serves", () => isApplicationServing(play.kube));
      } finally {
        await play.theater.close();
        play.api.stop();
      }
    });
  }
  it("that do not exist are refused with the names of those that do", () => {
    assert.throws(() => createStage("flood"), { code: "rehearsal/unknown-scenario" });
  });
});

/** What an operator does on a real box: the failed job goes, and the release is asked to reconcile. */
async function restartJob(kube: Kube): Promise<void> {
  await kube.delete({ apiVersion: "batch/v1", kind: "Job", namespace: "msp", name: "alga-core-sebastian-bootstrap" });
  const annotations = { "reconcile.fluxcd.io/requestedAt": "now", "reconcile.fluxcd.io/forceAt": "now" };
  await kube.patch({ ...RELEASES, namespace: "alga-system", name: "alga-core" }, { metadata: { annotations } });
}
