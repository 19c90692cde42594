/**
 * How much power over the host the product gives to what runs in the cluster: older appliances started privileged jobs with the whole
 * host mounted, and opened the application's namespace to such pods. Looked at in every object that a box applies by itself.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONTROL_PLANE_MANIFESTS } from "../embed/manifests.ts";
import { controlPlaneObjects } from "../src/host/control-plane-apply.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../src/kube/model.ts";
import { namespaces } from "../src/setup/objects.ts";
import { provisionerObjects, storageClass } from "../src/storage/objects.ts";
import { smokeNamespace, smokeObjects } from "../src/storage/smoke-objects.ts";

const smoke = smokeObjects({ name: "smoke-1", nonce: "n", className: "local-path", image: "i" });
const OBJECTS: readonly KubeObject[] = [
  ...controlPlaneObjects(CONTROL_PLANE_MANIFESTS, { image: "registry.test/cp@sha256:a", version: null }),
  ...provisionerObjects({ provisioner: "p", helper: "h" }),
  storageClass(),
  smokeNamespace(),
  smoke.claim,
  smoke.pod,
  ...namespaces(),
];
/** The only folders of the host that a pod of ours sees. */
const MOUNTED = ["/etc/alga-appliance", "/etc/machine-id", "/run/alga-appliance", "/var/lib/alga-appliance"];

/** Pods of an object: its own, its template's, and the one that the provisioner starts from its ConfigMap. */
function podsOf(object: KubeObject): readonly unknown[] {
  const helper = textAt(object, "data", "helperPod.yaml");
  const spec = object.kind === "Pod" ? object.spec : fieldAt(object, "spec", "template", "spec");
  return [
    ...(spec === undefined ? [] : [spec]),
    ...(helper === undefined ? [] : [fieldAt(JSON.parse(helper) as unknown, "spec")]),
  ];
}

const pods = OBJECTS.flatMap((object) => podsOf(object).map((spec) => ({ name: object.metadata.name, spec })));

describe("what the product starts in the cluster", () => {
  it("is seen by this test", () => assert.equal(pods.length, 4, pods.map(({ name }) => name).join()));
  it("is privileged nowhere, and may become nothing else", () => {
    for (const { name, spec } of pods) {
      const containers = [...listAt(spec, "initContainers"), ...listAt(spec, "containers")];
      assert.ok(containers.length > 0, name);
      for (const container of containers) {
        const context = fieldAt(container, "securityContext");
        assert.deepEqual(
          [fieldAt(context, "privileged") ?? false, fieldAt(context, "allowPrivilegeEscalation")],
          [false, false],
          name,
        );
        assert.deepEqual(fieldAt(context, "capabilities", "drop"), ["ALL"], name);
      }
      assert.equal(fieldAt(spec, "hostPID") ?? fieldAt(spec, "hostIPC") ?? false, false, name);
    }
  });
  it("sees these folders of the host and no other, never its root", () => {
    const mounted = pods.flatMap(({ spec }) =>
      listAt(spec, "volumes").flatMap((volume) => textAt(volume, "hostPath", "path") ?? []),
    );
    assert.deepEqual(mounted.sort(), MOUNTED);
  });
  it("has two namespaces alone in which a pod could have more, and the application's is none of them", () => {
    const open = OBJECTS.filter(
      ({ kind, metadata }) =>
        kind === "Namespace" && metadata.labels?.["pod-security.kubernetes.io/enforce"] === "privileged",
    );
    assert.deepEqual(open.map(({ metadata }) => metadata.name).sort(), [
      "alga-appliance-control-plane",
      "local-path-storage",
    ]);
    assert.ok(OBJECTS.some(({ kind, metadata }) => kind === "Namespace" && metadata.name === "msp"));
  });
});
