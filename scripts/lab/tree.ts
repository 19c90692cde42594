// The file tree of the box: Debian by mmdebstrap, made once into the cache, and the files of test/lab/box laid into it.

import { chmodSync, cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { stringify } from "yaml";
import { CACHE, keyOf, LAB_SOURCES, NETWORK } from "./places.ts";
import { run, say } from "./shell.ts";

const SUITE = "bookworm";
const TREE_PACKAGES = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "iproute2",
  "iptables",
  "conntrack",
  "ca-certificates",
  "procps",
  "curl",
  "openssl",
  "runc",
  "containernetworking-plugins",
  "etcd-server",
  "netplan.io",
  "udev",
];

/** Where each file of test/lab/box lies in the tree. */
export const PLACES: Readonly<Record<string, string>> = {
  k3s: "usr/local/bin/k3s",
  "k3s.service": "etc/systemd/system/k3s.service",
  "containerd.toml": "etc/rancher/k3s/containerd.toml",
  "kubelet.yaml": "etc/rancher/k3s/kubelet.yaml",
  "kube-proxy.yaml": "etc/rancher/k3s/kube-proxy.yaml",
  "10-host0.network": "etc/systemd/network/10-host0.network",
  "10-lab.conf": "etc/systemd/system.conf.d/10-lab.conf",
  "10-lab.conflist": "etc/cni/net.d/10-lab.conflist",
  "lab-init": "usr/local/sbin/lab-init",
};

/** Makes the Debian tree unless it is in the cache, and answers its folder (never booted itself, only copied). */
export function ensureDebianTree(): string {
  const folder = join(CACHE, `debian-${keyOf([], `${SUITE} ${TREE_PACKAGES.join(" ")}`)}`);
  if (existsSync(folder)) return folder;
  say("making the Debian tree of the box");
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(CACHE, { recursive: true });
  const include = `--include=${TREE_PACKAGES.join(",")}`;
  run(["mmdebstrap", "--variant=minbase", include, SUITE, unfinished, aptSources()]);
  renameSync(unfinished, folder);
  return folder;
}

function aptSources(): string {
  const deb822 = "/etc/apt/sources.list.d/debian.sources";
  return existsSync(deb822) ? deb822 : "/etc/apt/sources.list";
}

export interface TreeOptions {
  /** The lab's certificate authority, which the box trusts for its registry. */
  readonly authority: string;
  readonly registry: string;
  /** Files that the box's k3s applies at every start, as whole paths. */
  readonly manifests: readonly string[];
  readonly setupToken: string;
}

/** Copies the Debian tree to a folder and makes a box of it. */
export function makeBoxTree(target: string, options: TreeOptions): void {
  run(["cp", "-a", ensureDebianTree(), target]);
  for (const [name, place] of Object.entries(PLACES)) copyInto(join(LAB_SOURCES, "box", name), join(target, place));
  for (const name of ["k3s", "lab-init"]) chmodSync(join(target, PLACES[name] ?? ""), 0o755);
  for (const manifest of options.manifests) {
    copyInto(manifest, join(target, "var/lib/rancher/k3s/server/manifests", basename(manifest)));
  }
  configureNames(target);
  trustRegistry(target, options);
  configureAppliance(target, options);
  makeStateFolders(target);
  enableUnits(target);
}

export function copyInto(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  cpSync(source, target);
}

export function configureNames(target: string): void {
  writeFileSync(join(target, "etc/hostname"), "alga-appliance\n");
  writeFileSync(join(target, "etc/hosts"), "127.0.0.1 localhost\n127.0.1.1 alga-appliance\n");
  rmSync(join(target, "etc/resolv.conf"), { force: true });
  writeFileSync(join(target, "etc/resolv.conf"), `nameserver ${NETWORK.host}\n`);
  rmSync(join(target, "etc/machine-id"), { force: true });
  writeFileSync(join(target, "etc/machine-id"), "");
}

function trustRegistry(target: string, options: TreeOptions): void {
  copyInto(options.authority, join(target, "etc/alga-appliance/registry-ca.pem"));
  // docker.io is mirrored too: the box has no other way out.
  mirrorBy(target, options.registry, ["docker.io"]);
}

/** Tells the box's containerd to pull from a registry, and what else it finds there. */
function mirrorBy(target: string, registry: string, others: readonly string[]): void {
  const hosts = [
    `server = "https://${registry}"`,
    `[host."https://${registry}"]`,
    `  capabilities = ["pull", "resolve"]`,
    `  ca = "/etc/alga-appliance/registry-ca.pem"`,
  ];
  for (const name of [registry, ...others]) {
    const folder = join(target, "etc/rancher/k3s/certs.d", name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "hosts.toml"), `${hosts.join("\n")}\n`);
  }
}

// What an installer would lay down: where releases come from, and the one-use setup token.
function configureAppliance(target: string, options: TreeOptions): void {
  writeSettings(target, { host: options.registry });
  mkdirSync(join(target, "var/lib/alga-appliance"), { recursive: true });
  writeFileSync(join(target, "var/lib/alga-appliance/setup-token"), `${options.setupToken}\n`, { mode: 0o600 });
}

function writeSettings(target: string, registry: { readonly host: string; readonly repository?: string }): void {
  const settings = { registry: { ...registry, ca: "/etc/alga-appliance/registry-ca.pem" }, name: "lab" };
  writeFileSync(join(target, "etc/alga-appliance/config.yaml"), stringify(settings));
}

/** Points a stopped box at another registry that the lab's authority vouches for, and at nothing else. */
export function useRegistry(target: string, registry: { readonly host: string; readonly repository: string }): void {
  writeSettings(target, registry);
  rmSync(join(target, "etc/rancher/k3s/certs.d"), { recursive: true, force: true });
  mirrorBy(target, registry.host, []);
}

function makeStateFolders(target: string): void {
  for (const path of [
    "var/lib/alga-appliance",
    "var/mnt/alga-data/local-path-provisioner",
    "var/lib/rancher/k3s/agent/images",
  ]) {
    mkdirSync(join(target, path), { recursive: true });
  }
  mkdirSync(join(target, "usr/local/lib/k3s"), { recursive: true });
  run(["chown", "-R", "10001:10001", join(target, "var/lib/alga-appliance")]);
  chmodSync(join(target, "var/lib/alga-appliance"), 0o750);
}

function enableUnits(target: string): void {
  const systemctl = ["chroot", target, "systemctl"];
  run([...systemctl, "enable", "systemd-networkd.service", "k3s.service"]);
  run([...systemctl, "disable", "etcd.service"]);
  run([...systemctl, "mask", "systemd-networkd-wait-online.service"]);
}
