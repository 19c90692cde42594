/** What the executable carries is whole. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { parseAllDocuments } from "yaml";
import { CONTROL_PLANE_MANIFESTS, HOST_FILES } from "./manifests.ts";
import { verifyTemplates } from "./verify.ts";

it("every embedded template parses", () => assert.ok(verifyTemplates() > 20));

it("the control plane runs unprivileged, read-only and as 10001", () => {
  const [deployment] = parseAllDocuments(CONTROL_PLANE_MANIFESTS["workload.yaml"] ?? "").map((one) => one.toJS());
  const { spec } = deployment.spec.template;
  assert.deepEqual(
    [spec.securityContext.runAsUser, spec.securityContext.runAsGroup, spec.hostNetwork],
    [10001, 10001, true],
  );
  const { securityContext } = spec.containers[0];
  assert.equal(securityContext.readOnlyRootFilesystem, true);
  assert.deepEqual(securityContext.capabilities.drop, ["ALL"]);
});

it("the host files reserve group 10001", () =>
  assert.match(HOST_FILES["/usr/lib/sysusers.d/alga-appliance.conf"] ?? "", /^g alga-appliance 10001$/m));
