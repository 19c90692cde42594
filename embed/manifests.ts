/** The control plane's own manifests and the host's system files, as the executable carries them. */

import sysusers from "../systemd/alga-appliance.sysusers" with { type: "text" };
import tmpfiles from "../systemd/alga-appliance.tmpfiles" with { type: "text" };
import bootstrapUnit from "../systemd/alga-appliance-bootstrap.service" with { type: "text" };
import consoleUnit from "../systemd/alga-appliance-console.service" with { type: "text" };
import consoleStopped from "../systemd/alga-appliance-console-stopped.tmpfiles" with { type: "text" };
import agentUnit from "../systemd/alga-host-agent.service" with { type: "text" };
import namespace from "./control-plane/namespace.yaml" with { type: "text" };
import rbac from "./control-plane/rbac.yaml" with { type: "text" };
import workload from "./control-plane/workload.yaml" with { type: "text" };

/** Name -> YAML text, in the order in which they are applied. */
export const CONTROL_PLANE_MANIFESTS: Readonly<Record<string, string>> = {
  "namespace.yaml": namespace,
  "rbac.yaml": rbac,
  "workload.yaml": workload,
};

/** Path on the host -> content. */
export const HOST_FILES: Readonly<Record<string, string>> = {
  "/usr/lib/sysusers.d/alga-appliance.conf": sysusers,
  "/usr/lib/tmpfiles.d/alga-appliance.conf": tmpfiles,
  "/usr/share/alga-appliance/console-stopped.conf": consoleStopped,
  "/usr/lib/systemd/system/alga-appliance-bootstrap.service": bootstrapUnit,
  "/usr/lib/systemd/system/alga-appliance-console.service": consoleUnit,
  "/usr/lib/systemd/system/alga-host-agent.service": agentUnit,
};
