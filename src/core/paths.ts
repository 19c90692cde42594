/**
 * Where things lie on the box. One table, so that a path is spelled once.
 *
 * `ALGA_APPLIANCE_ROOT` moves all of them under another root, for tests and for the copied recovery binary.
 */
import { join } from "node:path/posix";

export interface StatePaths {
  /** "/" on a box; everything lies below it. */
  readonly root: string;
  readonly state: string;
  readonly setupToken: string;
  readonly adminCredential: string;
  readonly answers: string;
  readonly secrets: string;
  readonly journal: string;
  /** Folder of the numbered leases; the highest number counts. */
  readonly lease: string;
  readonly release: string;
  readonly history: string;
  readonly sessions: string;
  readonly lockout: string;
  /** Who claimed the box, and who tried to later. */
  readonly claims: string;
  /** Folder of the certificates of the page. */
  readonly tls: string;
  readonly bootstrapRecord: string;
  readonly resolvedReleases: string;
  /** OCI layout of what `release load` brought: the box's own registry content. */
  readonly store: string;
  /** OCI layout of what Flux reads of the installed release and of those kept to go back to. */
  readonly kept: string;
  /** Folder of the numbered leases of the store. */
  readonly storeLease: string;
  /** Signed metadata seen last, one folder for each root that was put on the box. */
  readonly trust: string;
  readonly config: string;
  /** Folder of public keys, *.pem: releases must be signed by one of them. */
  readonly trustedKeys: string;
  /** Root document of the publisher: channels must be what its metadata says. */
  readonly trustRoot: string;
  /** Folder of the host's own side (bootstrap, images of the control plane): root's alone, out of the pod's reach. */
  readonly host: string;
  readonly hostAgentSocket: string;
  /** The program of the Kubernetes distribution, where it installs itself. */
  readonly k3s: string;
  readonly payload: string;
}

/** Paths under a root ("/" on a box). */
export function statePaths(root = "/"): StatePaths {
  const state = join(root, "var/lib/alga-appliance");
  return {
    root,
    state,
    setupToken: join(state, "setup-token"),
    adminCredential: join(state, "admin-credential.json"),
    answers: join(state, "answers.json"),
    secrets: join(state, "secrets"),
    journal: join(state, "journal"),
    lease: join(state, "lease"),
    release: join(state, "release.json"),
    history: join(state, "history.ndjson"),
    sessions: join(state, "sessions.json"),
    lockout: join(state, "lockout.json"),
    claims: join(state, "claims.json"),
    tls: join(state, "tls"),
    bootstrapRecord: join(state, "bootstrap.json"),
    resolvedReleases: join(state, "resolved-releases"),
    store: join(state, "store"),
    kept: join(state, "kept"),
    storeLease: join(state, "store-lease"),
    trust: join(state, "trust"),
    config: join(root, "etc/alga-appliance/config.yaml"),
    trustedKeys: join(root, "etc/alga-appliance/trusted-keys"),
    trustRoot: join(root, "etc/alga-appliance/root.json"),
    host: join(root, "var/lib/alga-appliance-host"),
    hostAgentSocket: join(root, "run/alga-appliance/host-agent.sock"),
    k3s: join(root, "usr/local/bin/k3s"),
    payload: join(root, "opt/alga-appliance"),
  };
}
