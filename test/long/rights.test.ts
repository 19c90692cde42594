/**
 * The rights of the control plane on the cluster, by what it really asks for: every rehearsal runs with exactly those of its
 * manifest, and one that installs, updates, sets a password and an address, goes back and reads logs shows which of them it uses.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import { controlPlaneIdentity } from "../../src/rehearsal/control-plane-identity.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import { ANSWERS, type Play, startPlay } from "../rehearsal/play.ts";
import { eventually } from "../support/eventually.ts";

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
  "delete /configmaps": "values that a release before did not have",
  "get /events": "the summary as an event, for people who live in kubectl (src/status/mirror.ts)",
  "patch /events": "the same event",
  "patch /services": "Flux's manifests",
  // Flux's own manifests, of which the sample has the most; all of them are asked for by a preflight too.
  "get /resourcequotas": "Flux's manifests",
  "create /resourcequotas": "Flux's manifests",
  "patch /resourcequotas": "Flux's manifests",
  "get networking.k8s.io/networkpolicies": "Flux's manifests",
  "create networking.k8s.io/networkpolicies": "Flux's manifests",
  "patch networking.k8s.io/networkpolicies": "Flux's manifests",
  "create rbac.authorization.k8s.io/roles": "Flux's manifests",
  "create rbac.authorization.k8s.io/rolebindings": "Flux's manifests",
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

/** For one operation of a whole cluster, on a machine that others keep busy. */
const PATIENCE_MS = 150_000;

/** Everything that an operator can have the control plane do on the cluster, one after the other. */
async function liveThrough(play: Play): Promise<readonly string[]> {
  assert.equal((await play.claim()).status, 200);
  await play.start({ ...ANSWERS, editionChoice: "ee", installCode: "K7QP-M2RX" });
  await play.until(
    "it is installed",
    ({ tiers, operation }) => {
      return tiers.full.state === "ready" && operation?.state === "done";
    },
    PATIENCE_MS,
  );
  const { body } = await play.ask("POST", "/api/updates/plan", { channel: "next" });
  await doneBy(play, "/api/updates", { planDigest: body.digest });
  await play.until("it is updated", isWhole("1.1.0"), PATIENCE_MS);
  const password = "Another-Lighthouse-42!";
  await doneBy(play, "/api/settings/admin-password", { password, passwordConfirm: password });
  await doneBy(play, "/api/settings/app-url", { appHostname: "https://desk.example.org" });
  await doneBy(play, "/api/updates/rollback", {});
  await play.until("the release before works", isWhole("1.0.3"), PATIENCE_MS);
  await play.ask("GET", "/api/inventory");
  await eventually("a pod shows its log", () => showsLog(play), PATIENCE_MS);
  return (await play.cluster("/rehearsal/asked")) as unknown as readonly string[];
}

/** Pods of a way back come and go while one looks: any that is still there will do. */
async function showsLog(play: Play): Promise<boolean> {
  const { items } = await play.cluster("/api/v1/namespaces/msp/pods");
  for (const { metadata } of items as readonly { readonly metadata: { readonly name: string } }[]) {
    if ((await play.ask("GET", `/api/pods/msp/${metadata.name}/log`)).status === 200) return true;
  }
  return false;
}

async function doneBy(play: Play, path: string, asked: Readonly<Record<string, unknown>>): Promise<void> {
  const { status, body } = await play.ask("POST", path, asked);
  assert.equal(status, 202, `${path}: ${JSON.stringify(body)}`);
  const { id } = body.operation as OperationView;
  const end = await play.until(
    `${path} has ended`,
    ({ operation }) => operation?.id === id && operation.state === "done",
    PATIENCE_MS,
  );
  assert.equal(end.operation?.problem, null);
}

const isWhole =
  (version: string) =>
  ({ release, tiers, operation }: ApplianceStatus): boolean =>
    [release?.version, tiers.full.state, operation?.state].join() === `${version},ready,done`;

describe("rights of the control plane", () => {
  it("are all it asks for, and no more than it asks for", { timeout: 600_000 }, async () => {
    const play = await startPlay({ speed: 25 });
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
