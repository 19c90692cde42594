/**
 * The proxy of the settings for k3s and its containerd, which pulls the images of all pods and reads nothing of ours.
 *
 * A file of variables for its unit, root's alone because a proxy's address may hold a login, and a drop-in that names it. k3s reads
 * both when it starts. Without a proxy in the settings there is neither, and whatever the operator gave k3s by hand stays.
 *
 * @see k3s documentation, "Advanced Options and Configuration", "Configuring an HTTP proxy"; systemd.exec(5), "EnvironmentFile="
 */
import { isApplianceError } from "../core/errors.ts";
import { CLUSTER_NETWORKS } from "../core/ip.ts";
import { parseProxy } from "../core/proxy.ts";
import type { RegistryAccess } from "../release/registry-access.ts";
import type { BootstrapCall } from "./bootstrap-context.ts";
import { ownText, placeOwnFile } from "./own-file.ts";

const ENVIRONMENT = "/etc/rancher/k3s/alga-appliance-proxy.env";
const DROP_IN = "/etc/systemd/system/k3s.service.d/91-alga-appliance-proxy.conf";
const HEAD =
  "# Made at every boot from the settings of the box (/etc/alga-appliance/config.yaml): change them, not this file.\n";
/** In a comment, so that a start without an address yet keeps what the one before knew. */
const BOX = /^# Addresses of the box: ([\d.,a-f:]*)$/im;

const DROP_IN_TEXT = `# The proxy of the settings, for k3s and its containerd.
[Service]
EnvironmentFile=-${ENVIRONMENT}
`;

/** Never by a proxy: this machine, and the names and networks of the cluster. */
const INSIDE = ["localhost", "127.0.0.0/8", "::1", ...CLUSTER_NETWORKS, ".svc", ".cluster.local"];

/** A rule that Go's own reading of NO_PROXY knows: a name, an address or a network, with a port or a star. */
const RULE = /^[\w.*:[\]/-]{1,255}$/;
/** URL parsers let quotes through. */
const HOST = /^[\w.:[\]-]+$/;

/**
 * The variables as systemd reads them; undefined: no proxy is set, or none that is an address. Pure; the answer may hold a login.
 *
 * @param addresses Of the box itself: the cluster's own traffic to its node.
 */
export function proxyEnvironment(proxy: RegistryAccess["proxy"], addresses: readonly string[]): string | undefined {
  const values = { HTTP_PROXY: urlOf(proxy?.http), HTTPS_PROXY: urlOf(proxy?.https) };
  const set = Object.entries(values).filter(([, value]) => value !== undefined);
  if (set.length === 0) return undefined;
  const rules = (proxy?.no ?? "").split(/[\s,]+/).filter((rule) => RULE.test(rule));
  const no = [...new Set([...INSIDE, ...addresses, ...rules])].join(",");
  const lines = [...set, ["NO_PROXY", no]].map(([name, value]) => `${name}="${value}"\n`);
  return `${HEAD}# Addresses of the box: ${addresses.join(",")}\n${lines.join("")}`;
}

/** As the URL parser writes it: no blank, double quote or line break is left. @see WHATWG URL, "userinfo percent-encode set" */
function urlOf(setting: string | undefined): string | undefined {
  if (setting === undefined || setting.trim() === "") return undefined;
  const url = parseProxy(setting);
  if (url === undefined || !HOST.test(url.host)) return undefined;
  const login = url.username === "" ? "" : `${url.username}${url.password === "" ? "" : `:${url.password}`}@`;
  return `${url.protocol}//${login}${url.host}`;
}

/**
 * Puts the files right. Safe to call again. Settings that cannot be used leave them as they are: they are mended on the page.
 * @returns whether anything was changed, and k3s has to start again.
 */
export async function placeProxy(call: BootstrapCall): Promise<boolean> {
  const { deps, settings } = call;
  let proxy: RegistryAccess["proxy"];
  try {
    proxy = (await settings.follows()).registry.proxy;
  } catch (error) {
    if (!isApplianceError(error) || error.code === "internal/aborted") throw error;
    deps.log.warn("proxy of k3s left as it is", { error });
    return false;
  }
  const text = proxyEnvironment(proxy, await ownAddresses(call));
  const environment = await placeOwnFile(call, ENVIRONMENT, { text });
  const dropIn = await placeOwnFile(call, DROP_IN, {
    text: text === undefined ? undefined : DROP_IN_TEXT,
    mode: 0o644,
  });
  return environment || dropIn;
}

/** IPv4 where there is any: those of IPv6 may change with every start, and each change costs a start of k3s. */
async function ownAddresses(call: BootstrapCall): Promise<readonly string[]> {
  const all = await call.deps.network.addresses();
  const v4 = all.filter((address) => !address.includes(":"));
  if (all.length > 0) return (v4.length > 0 ? v4 : [...all]).toSorted();
  const known = BOX.exec((await ownText(call, ENVIRONMENT)) ?? "")?.[1] ?? "";
  return known.split(",").filter(Boolean);
}
