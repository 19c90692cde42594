/** What the objects of the storage promise to whoever reads them at night: rights, modes, and that nothing is deleted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { CONTROL_PLANE_MANIFESTS } from "../../embed/manifests.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../kube/model.ts";
import { provisionerObjects, storageClass } from "./objects.ts";
import { smokeNamespace, smokeObjects } from "./smoke-objects.ts";

const objects = provisionerObjects({ provisioner: "p:1", helper: "h:1" });
const one = (kind: string): KubeObject => {
  const found = objects.find((object) => object.kind === kind);
  assert.ok(found !== undefined, kind);
  return found;
};

test("the provisioner may change no volume, read no secret and act in no other namespace", () => {
  const rules = [...listAt(one("ClusterRole"), "rules"), ...listAt(one("Role"), "rules")] as readonly {
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
  const verbs = (resource: string): string =>
    rules
      .filter(({ resources }) => resources.includes(resource))
      .flatMap((rule) => rule.verbs)
      .join();
  assert.equal(verbs("persistentvolumes"), "get,list,watch,create,delete");
  assert.equal(verbs("persistentvolumeclaims"), "get,list,watch");
  assert.equal(verbs("secrets"), "");
  assert.ok(!JSON.stringify(rules).includes("*"), "a star");
  const wide = listAt(one("ClusterRole"), "rules").flatMap((rule) => listAt(rule, "resources"));
  assert.ok(!wide.includes("pods") && !wide.includes("configmaps"), "pods of the whole cluster");
});

test("nothing is open to all, and volumes stay and wait for their disk", () => {
  assert.ok(!JSON.stringify(objects).includes("777"));
  const setup = textAt(one("ConfigMap"), "data", "setup") ?? "";
  assert.match(setup, /^mkdir -m 0770 -p "\$VOL_DIR"$/m);
  const made = storageClass();
  assert.equal(textAt(made, "reclaimPolicy"), "Retain");
  assert.equal(fieldAt(made, "metadata", "annotations", "defaultVolumeType"), "local");
});

test("the provisioner is not root; its helper is, with two capabilities and no token", () => {
  const [container] = listAt(one("Deployment"), "spec", "template", "spec", "containers");
  assert.deepEqual(
    ["runAsNonRoot", "readOnlyRootFilesystem", "allowPrivilegeEscalation"].map((name) =>
      fieldAt(container, "securityContext", name),
    ),
    [true, true, false],
  );
  const helper = JSON.parse(textAt(one("ConfigMap"), "data", "helperPod.yaml") ?? "");
  assert.equal(fieldAt(helper, "spec", "automountServiceAccountToken"), false);
  const context = fieldAt(listAt(helper, "spec", "containers")[0], "securityContext");
  assert.deepEqual(fieldAt(context, "capabilities"), { drop: ["ALL"], add: ["DAC_OVERRIDE", "FOWNER"] });
  assert.equal(fieldAt(context, "privileged"), undefined);
});

test("the namespace of the smoke test is the same in the control plane's manifests", () => {
  const manifest = CONTROL_PLANE_MANIFESTS["namespace.yaml"] ?? "";
  const documents = parseAllDocuments(manifest).map((document): unknown => document.toJS());
  assert.ok(documents.some((document) => JSON.stringify(document) === JSON.stringify(smokeNamespace())));
});

test("the pod of a smoke test follows the restricted standard and mounts its own claim alone", () => {
  const { pod } = smokeObjects({ name: "smoke-1", nonce: "n", className: "local-path", image: "h:1" });
  const volumes = listAt(pod, "spec", "volumes");
  assert.deepEqual(volumes, [{ name: "volume", persistentVolumeClaim: { claimName: "smoke-1" } }]);
  assert.deepEqual(
    [fieldAt(pod, "spec", "securityContext", "runAsNonRoot"), fieldAt(pod, "spec", "automountServiceAccountToken")],
    [true, false],
  );
});
