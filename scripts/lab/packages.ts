// Debian packages of the lab: installed when absent, by apt, without recommended ones. Safe to call again.

import { hasProgram, run, say, tryRun } from "./shell.ts";

export const PACKAGES = {
  controlPlane: ["etcd-server", "ca-certificates"],
  box: [
    "mmdebstrap",
    "systemd-container",
    "runc",
    "containernetworking-plugins",
    "iptables",
    "iproute2",
    "conntrack",
    "util-linux",
    "rsync",
    "curl",
  ],
  registry: ["docker-registry"],
  images: ["skopeo", "busybox-static"],
  /** What reads our publications in the contract tests. */
  interop: ["docker-registry", "skopeo", "umoci", "podman"],
} as const;

/** Installs the packages that are missing; answers at once when there are none. */
export function ensurePackages(names: readonly string[]): void {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  say(`installing ${missing.join(", ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  run(["apt-get", "update", "-q"], { env });
  run(["apt-get", "install", "-q", "-y", "--no-install-recommends", ...missing], { env });
  stopServices(missing);
}

function isInstalled(name: string): boolean {
  return tryRun(["dpkg-query", "-s", name]).stdout.includes("Status: install ok installed");
}

// Debian starts a packaged server at once; the lab starts its own with its own configuration.
function stopServices(names: readonly string[]): void {
  if (!hasProgram("systemctl")) return;
  for (const [name, unit] of [
    ["etcd-server", "etcd"],
    ["docker-registry", "docker-registry"],
  ] as const) {
    if (names.includes(name)) tryRun(["systemctl", "disable", "--now", unit]);
  }
}
