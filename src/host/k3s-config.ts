/**
 * k3s as the appliance wants it: one configuration file, the registries, the proxy, one unit, and one drop-in that takes the command line
 * away from units of older boxes, because flags there would hide the file.
 */
import { join } from "node:path/posix";
import { stringify } from "yaml";
import type { StepResult } from "../operation/step.ts";
import { type BootstrapCall, KUBECONFIG, run } from "./bootstrap-context.ts";
import { placeFile } from "./host-files.ts";
import { placeProxy } from "./k3s-proxy.ts";
import { placeRegistries } from "./k3s-registries.ts";

const CONFIG = "/etc/rancher/k3s/config.yaml.d/90-alga-appliance.yaml";
/** Of older installers: said the same in another way, and would win by its name no more. */
const OLD_CONFIG = "/etc/rancher/k3s/config.yaml.d/20-alga-local-storage.yaml";
const UNIT = "/etc/systemd/system/k3s.service";
const DROP_IN = "/etc/systemd/system/k3s.service.d/90-alga-appliance.conf";
/** A unit of another origin that came with the k3s package counts as one too. */
const UNIT_PLACES = [UNIT, "/usr/lib/systemd/system/k3s.service", "/usr/local/lib/systemd/system/k3s.service"];

/** There while files are put right: a start that was killed between them and the restart must not lose the restart. */
const UNFINISHED = "k3s-config.unfinished";

const MAX_UNIT_BYTES = 64 * 1024;

/** Off: the appliance brings its own or has no use for it. The kubeconfig is an administrator's: root's alone. */
const K3S_CONFIG = {
  disable: ["traefik", "servicelb", "local-storage"],
  "write-kubeconfig-mode": "0600",
} as const;

/** @see k3s documentation, "Advanced Options and Configuration", the unit of the install script */
const K3S_UNIT = `[Unit]
Description=Lightweight Kubernetes
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=/usr/local/bin/k3s server

[Install]
WantedBy=multi-user.target
`;

const K3S_DROP_IN = `# Flags on the command line would hide ${CONFIG}.
[Service]
ExecStart=
ExecStart=/usr/local/bin/k3s server
`;

/** Writes what differs, and restarts a running k3s only then. Safe to call again; drift is put right at every boot. */
export async function configureK3s(call: BootstrapCall): Promise<StepResult> {
  const { deps, settings } = call;
  const place = (path: string): string => join(settings.paths.root, path);
  const text = stringify(K3S_CONFIG);
  const unfinished = join(settings.paths.host, UNFINISHED);
  const changed: string[] = [];
  if (!(await deps.files.create(unfinished, "", { mode: 0o600 }))) changed.push("what an interrupted start had begun");
  if (await placeFile(call, CONFIG, text)) changed.push("configuration");
  if ((await deps.files.stat(place(OLD_CONFIG))) !== undefined) {
    await deps.files.remove(place(OLD_CONFIG));
    changed.push("configuration of an older installer");
  }
  if (await placeRegistries(call)) changed.push("registries");
  if (await placeProxy(call)) changed.push("proxy");
  const change = await commandLine(call);
  if (change !== undefined) changed.push(change);
  if (changed.length > 0) {
    await run(call, ["systemctl", "daemon-reload"]);
    // Only one that runs, or is about to: a stopped one is started by the next step.
    await run(call, ["systemctl", "try-restart", "--no-block", "k3s.service"]);
  }
  await deps.files.remove(unfinished);
  return { state: "done", detail: changed.length === 0 ? "All as it should be" : `Put right: ${changed.join(", ")}` };
}

/** Gives k3s our unit where it has none, and an older unit our command line. @returns what was changed. */
async function commandLine(call: BootstrapCall): Promise<string | undefined> {
  const { deps, settings } = call;
  const texts: string[] = [];
  for (const path of UNIT_PLACES) {
    const bytes = await deps.files.read(join(settings.paths.root, path), { maxBytes: MAX_UNIT_BYTES });
    if (bytes !== undefined) texts.push(new TextDecoder().decode(bytes));
  }
  if (texts[0] === undefined) return (await placeFile(call, UNIT, K3S_UNIT)) ? "unit" : undefined;
  if (texts[0] === K3S_UNIT) return undefined;
  return (await placeFile(call, DROP_IN, K3S_DROP_IN)) ? "command line of the unit" : undefined;
}

/** Starts k3s now and at every boot; does not wait for it. Safe to call again. */
export async function startK3s(call: BootstrapCall): Promise<StepResult> {
  await run(call, ["systemctl", "enable", "k3s.service"]);
  await run(call, ["systemctl", "start", "--no-block", "k3s.service"]);
  return { state: "done" };
}

/** Closes a kubeconfig that others can read: k3s before this configuration left it open. Safe to call again. */
export async function closeKubeconfig(call: BootstrapCall): Promise<boolean> {
  const path = join(call.settings.paths.root, KUBECONFIG);
  const stat = await call.deps.files.stat(path);
  if (stat === undefined || (stat.mode & 0o077) === 0) return false;
  await run(call, ["chmod", "0600", path]);
  return true;
}
