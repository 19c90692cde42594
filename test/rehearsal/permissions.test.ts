/**
 * The rights of the control plane on the cluster, by what it really asks for: every rehearsal runs with exactly those of its
 * manifest, and one that installs, updates, goes back and looks into everything shows which of them it uses.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import { controlPlaneIdentity } from "../../src/rehearsal/control-plane-identity.ts";
import { type Play, startPlay } from "./play.ts";

/** What a rehearsal does not ask for, and who does. A right that nobody needs is taken away, not listed here. */
const NOT_REHEARSED: Readonly<Record<string, string>> = {
  // A real API server wants "create" too where a server-side apply makes a new object; the rehearsed one does not.
  "create /namespaces": "server-side apply",
  "create /serviceaccounts": "server-side apply",
  "create /services": "server-side apply",
  "create /configmaps": "server-side apply",
  "create /secrets": "server-side apply",
  "create /events": "server-side apply",
  "create apps/deployments": "server-side apply",
  "create apiextensions.k8s.io/customresourcedefinitions": "server-side apply",
  "create rbac.authorization.k8s.io/clusterroles": "server-side apply",
  "create rbac.authorization.k8s.io/clusterrolebindings": "server-side apply",
  "create source.toolkit.fluxcd.io/ocirepositories": "server-side apply",
  "create kustomize.toolkit.fluxcd.io/kustomizations": "server-side apply",
  "create storage.k8s.io/storageclasses": "server-side apply",
  "delete storage.k8s.io/storageclasses": "the class of k3s, when its storage moves over (src/storage/install.test.ts)",
  "create batch/jobs": "the job that sets the administrator's password (test/rehearsal/admin-password.test.ts)",
  "get batch/jobs": "the same job",
  "patch batch/jobs": "the same job",
  "delete batch/jobs": "the same job, and a bootstrap job that failed",
  "delete /configmaps": "values that a release before did not have",
  "delete /secrets": "a release of Helm that an update leaves half made",
  "get /events": "the summary as an event, for people who live in kubectl (src/status/mirror.ts)",
  "patch /events": "the same event",
  "patch /services": "Flux's manifests",
  "get /pods/log": "the page that shows logs, and evidence of a pod that fails",
  // Flux's own manifests, of which the sample has the most; all of them are asked for by a preflight too.
  "get /resourcequotas": "Flux's manifests",
  "create /resourcequotas": "Flux's manifests",
  "patch /resourcequotas": "Flux's manifests",
  "get networking.k8s.io/networkpolicies": "Flux's manifests",
  "create networking.k8s.io/networkpolicies": "Flux's manifests",
  "patch networking.k8s.io/networkpolicies": "Flux's manifests",
  "get rbac.authorization.k8s.io/roles": "Flux's manifests",
  "create rbac.authorization.k8s.io/roles": "Flux's manifests",
  "patch rbac.authorization.k8s.io/roles": "Flux's manifests",
  "get rbac.authorization.k8s.io/rolebindings": "Flux's manifests",
  "create rbac.authorization.k8s.io/rolebindings": "Flux's manifests",
  "patch rbac.authorization.k8s.io/rolebindings": "Flux's manifests",
  "bind rbac.authorization.k8s.io/roles": "Flux's roles give more than we have",
  "escalate rbac.authorization.k8s.io/roles": "Flux's roles give more than we have",
  "bind rbac.authorization.k8s.io/clusterroles": "Flux's roles give more than we have",
  "escalate rbac.authorization.k8s.io/clusterroles": "Flux's roles give more than we have",
  "create authorization.k8s.io/selfsubjectaccessreviews": "everybody may ask; the rehearsed API does not count it",
};

const granted = (): readonly string[] =>
  (controlPlaneIdentity().rules ?? []).flatMap(({ groups, resources, verbs }) =>
    groups.flatMap((group) => resources.flatMap((plural) => verbs.map((verb) => `${verb} ${group}/${plural}`))),
  );

async function liveThrough(play: Play): Promise<readonly string[]> {
  assert.equal((await play.claim()).status, 200);
  await play.start();
  await play.until("it is installed", ({ tiers, operation }) => {
    return tiers.full.state === "ready" && operation?.state === "done";
  });
  const { body } = await play.ask("POST", "/api/updates/plan", { channel: "next" });
  const started = await play.ask("POST", "/api/updates", { planDigest: body.digest });
  assert.equal(started.status, 202, JSON.stringify(started.body));
  await play.until(
    "it is updated",
    ({ release, tiers, operation }) =>
      [release?.version, tiers.full.state, operation?.state].join() === "1.1.0,ready,done",
  );
  const operation: OperationView = await play.operation();
  assert.equal(operation.state, "done");
  await play.ask("GET", "/api/inventory");
  return (await play.cluster("/rehearsal/asked")) as unknown as readonly string[];
}

describe("rights of the control plane", () => {
  it("are all it asks for, and no more than it asks for", { timeout: 180_000 }, async () => {
    const play = await startPlay({ speed: 50 });
    try {
      const asked = await liveThrough(play);
      const rights = granted();
      assert.deepEqual(
        asked.filter((one) => !rights.includes(one)),
        [],
        "asked for and not granted",
      );
      const idle = rights.filter((one) => !asked.includes(one) && NOT_REHEARSED[one] === undefined);
      assert.deepEqual([...new Set(idle)], [], "granted and never asked for");
      const stale = Object.keys(NOT_REHEARSED).filter((one) => !rights.includes(one));
      assert.deepEqual(stale, [], "explained and not granted");
    } finally {
      await play.kill();
    }
  });
  it("name no group, resource or verb by a star", () => {
    const stars = (controlPlaneIdentity().rules ?? []).filter(({ groups, resources, verbs }) =>
      [...groups, ...resources, ...verbs].includes("*"),
    );
    assert.deepEqual(stars, []);
  });
});
