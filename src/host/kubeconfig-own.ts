/**
 * Whether the kubeconfig of this box names the Kubernetes of this box.
 *
 * Recover and reset change what it names, as its administrator: one that somebody has put in its place must not turn either against
 * another cluster. Reads only; the file is root's, yet may be anything.
 */
import { X509Certificate } from "node:crypto";
import { join } from "node:path/posix";
import { isApplianceError } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { loadKubeconfig } from "../kube/config.ts";
import { KUBECONFIG } from "./bootstrap-context.ts";

const MAX_CA_BYTES = 64 * 1024;

/** What the kubeconfig is: this box's, absent, another cluster's, or nothing that can be read; with the reason in words. */
export interface KubeconfigState {
  readonly state: "own" | "missing" | "foreign" | "damaged";
  readonly path: string;
  readonly why: string;
}

type KubeconfigDeps = Pick<Deps, "files" | "network">;

/** Judges it. k3s names itself by a loopback address; its own authority is compared where it lies on the disk. Never throws. */
export async function judgeKubeconfig(deps: KubeconfigDeps, paths: StatePaths): Promise<KubeconfigState> {
  const path = join(paths.root, KUBECONFIG);
  const is = (state: KubeconfigState["state"], why: string): KubeconfigState => ({ state, path, why });
  try {
    if ((await deps.files.stat(path)) === undefined) return is("missing", "there is no such file");
    const { server, transport } = await loadKubeconfig(deps, path);
    const { hostname } = new URL(server);
    if (!isLoopbackHost(hostname) && !(await deps.network.addresses()).includes(hostname.replaceAll(/[[\]]/g, ""))) {
      return is("foreign", `it names the server ${server}, which is not this box`);
    }
    const own = await deps.files.read(join(paths.root, "var/lib/rancher/k3s/server/tls/server-ca.crt"), {
      maxBytes: MAX_CA_BYTES,
    });
    const named = fingerprint(transport.ca);
    const wanted = fingerprint(own === undefined ? undefined : new TextDecoder().decode(own));
    if (named !== undefined && wanted !== undefined && named !== wanted) {
      return is("foreign", "it trusts another authority than the one of this box's Kubernetes");
    }
    return is("own", "it names the Kubernetes of this box");
  } catch (thrown) {
    if (isApplianceError(thrown)) return is("damaged", thrown.message);
    return is("damaged", "it cannot be read as a kubeconfig");
  }
}

/** Of the first certificate of a PEM text; undefined where there is none. */
function fingerprint(pem: string | undefined): string | undefined {
  if (pem === undefined) return undefined;
  try {
    return new X509Certificate(pem).fingerprint256;
  } catch {
    return undefined;
  }
}
