/** The objects that bootstrap applies: those of the executable, with the chosen image and the version that brought it. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { CONTROL_PLANE_MANIFESTS } from "../../embed/manifests.ts";
import { fieldAt, listAt, numberAt, textAt } from "../kube/model.ts";
import { controlPlaneObjects } from "./control-plane-apply.ts";
import { CONTROL_PLANE, VERSION_ANNOTATION } from "./control-plane-facts.ts";

const IMAGE = "harbor.example:5000/alga/alga-appliance-control-plane@sha256:abc";
const objects = controlPlaneObjects(CONTROL_PLANE_MANIFESTS, { image: IMAGE, version: "1.2.3" });
const deployment = objects.find(({ kind }) => kind === CONTROL_PLANE.kind);
const pod = fieldAt(deployment, "spec", "template", "spec");
const [container] = listAt(pod, "containers");

it("are all that the manifests hold, and name the Deployment that the choice looks at", () => {
  const kinds = objects.map(({ kind }) => kind);
  assert.deepEqual(kinds, [
    "Namespace",
    "Namespace",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Role",
    "RoleBinding",
    "Role",
    "RoleBinding",
    "Deployment",
    "Service",
  ]);
  const { name, namespace } = deployment?.metadata ?? {};
  assert.deepEqual([name, namespace], [CONTROL_PLANE.name, CONTROL_PLANE.namespace]);
});

it("run the chosen image and say which version brought it", () => {
  assert.equal(textAt(container, "image"), IMAGE);
  assert.equal(deployment?.metadata.annotations?.[VERSION_ANNOTATION], "1.2.3");
});

it("say nothing of a version that nobody knows", () => {
  const unknown = controlPlaneObjects(CONTROL_PLANE_MANIFESTS, { image: IMAGE, version: null });
  assert.ok(unknown.every(({ metadata }) => metadata.annotations?.[VERSION_ANNOTATION] === undefined));
});

it("give the pod no more than it needs: own user, read-only root, no capability, probes and limits", () => {
  assert.deepEqual(
    [
      numberAt(pod, "securityContext", "runAsUser"),
      fieldAt(pod, "hostNetwork"),
      textAt(pod, "securityContext", "seccompProfile", "type"),
    ],
    [10001, true, "RuntimeDefault"],
  );
  assert.deepEqual(fieldAt(container, "securityContext"), {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  assert.equal(listAt(pod, "initContainers").length, 0, "ownership is set by the host, not by a privileged container");
  for (const probe of ["readinessProbe", "livenessProbe"]) {
    // Not by the pod's address, which is the box's of then: without its cable the kubelet would end a control plane that works.
    const { host, path } = fieldAt(container, probe, "httpGet") as { host?: string; path?: string };
    assert.deepEqual([host, path], ["127.0.0.1", "/healthz"], probe);
  }
  assert.deepEqual(fieldAt(container, "resources"), {
    requests: { cpu: "25m", memory: "64Mi" },
    limits: { memory: "256Mi" },
  });
  assert.equal(textAt(container, "imagePullPolicy"), "IfNotPresent", "a box without a registry must start again");
  assert.equal(textAt(container, "terminationMessagePolicy"), "FallbackToLogsOnError");
  assert.deepEqual(
    [fieldAt(pod, "hostPID"), fieldAt(pod, "hostIPC"), fieldAt(pod, "enableServiceLinks")],
    [undefined, undefined, false],
  );
  const writable = listAt(container, "volumeMounts").filter((mount) => fieldAt(mount, "readOnly") !== true);
  assert.deepEqual(
    writable.map((mount) => textAt(mount, "mountPath")),
    ["/var/lib/alga-appliance"],
  );
  assert.ok((numberAt(deployment, "spec", "progressDeadlineSeconds") ?? 600) <= 180);
});
