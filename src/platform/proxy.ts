/**
 * Which proxy a request goes through, by the usual environment rules. Pure: no name is resolved, nothing is sent.
 *
 * NO_PROXY is a list of `*`, hosts (which cover their subdomains), `.suffix`, `*.suffix`, addresses and CIDR ranges, each
 * with an optional port. Loopback is always reached directly, as in curl and Go.
 */
import { BlockList, isIP } from "node:net";
import { ApplianceError } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import type { TransportOptions } from "../core/ports.ts";

type ProxySettings = NonNullable<TransportOptions["proxy"]>;

/**
 * The proxy for a URL; undefined: go directly.
 *
 * @throws {ApplianceError} config/invalid when the setting is not an http or https URL. The message leaves the login out.
 */
export function chooseProxy(url: URL, settings: ProxySettings | undefined): URL | undefined {
  const setting = url.protocol === "https:" ? settings?.https : settings?.http;
  if (setting === undefined || setting.trim() === "" || isExcluded(url, settings?.no ?? "")) return undefined;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(setting) ? setting : `http://${setting}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy !== undefined && (proxy.protocol === "http:" || proxy.protocol === "https:")) return proxy;
  throw new ApplianceError("config/invalid", "Cannot use proxy: its setting is not an http or https URL", {
    hint: "Write it like http://proxy.example.com:3128; where it is set tells: alga-appliance doctor --settings",
  });
}

/** Tells whether a URL is reached without the proxy. */
export function isExcluded(url: URL, noProxy: string): boolean {
  const host = bareHost(url.hostname);
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  if (isLoopbackHost(host)) return true;
  return noProxy
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((rule) => matches(rule.toLowerCase(), { host, port }));
}

function matches(rule: string, target: { readonly host: string; readonly port: string }): boolean {
  if (rule === "*") return true;
  if (rule.includes("/")) return isInRange(target.host, rule);
  const { name, port } = splitPort(rule);
  if (port !== undefined && port !== target.port) return false;
  if (isIP(name) !== 0) return name === target.host;
  const suffix = name.replace(/^\*?\./, "");
  return target.host === suffix || target.host.endsWith(`.${suffix}`);
}

function splitPort(rule: string): { readonly name: string; readonly port: string | undefined } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:]*)):(\d+)$/.exec(rule);
  if (match !== null) return { name: match[1] ?? match[2] ?? "", port: match[3] };
  return { name: bareHost(rule), port: undefined };
}

function isInRange(host: string, range: string): boolean {
  const [network = "", bits = ""] = range.split("/");
  const [family, hostFamily] = [isIP(network), isIP(host)];
  const length = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (family === 0 || family !== hostFamily || !(length <= (family === 4 ? 32 : 128))) return false;
  const list = new BlockList();
  list.addSubnet(network, length, family === 4 ? "ipv4" : "ipv6");
  return list.check(host, family === 4 ? "ipv4" : "ipv6");
}

function bareHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
}

/** Proxy-Authorization for the login in a proxy's URL; undefined when it has none. It is a secret: never log it. */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === "" && proxy.password === "") return undefined;
  const login = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(login).toString("base64")}`;
}
