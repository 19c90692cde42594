/**
 * Which proxy a request goes through, by the usual environment rules. Pure: no name is resolved, nothing is sent.
 *
 * NO_PROXY is a list of `*`, hosts (which cover their subdomains), `.suffix`, `*.suffix`, addresses and CIDR ranges, each
 * with an optional port. Loopback is always reached directly, as in curl and Go.
 */
import { ApplianceError } from "./errors.ts";
import { isLoopbackHost } from "./hosts.ts";
import { isInside, parseIp, parseNetwork } from "./ip.ts";
import type { TransportOptions } from "./ports.ts";

type ProxySettings = NonNullable<TransportOptions["proxy"]>;

/**
 * The proxy for a URL; undefined: go directly.
 *
 * @throws {ApplianceError} config/invalid when the setting is not an http or https URL. The message leaves the login out.
 */
export function chooseProxy(url: URL, settings: ProxySettings | undefined): URL | undefined {
  const setting = url.protocol === "https:" ? settings?.https : settings?.http;
  if (setting === undefined || setting.trim() === "" || isExcluded(url, settings?.no ?? "")) return undefined;
  const proxy = parseProxy(setting);
  if (proxy !== undefined) return proxy;
  throw new ApplianceError("config/invalid", "Cannot use proxy: its setting is not an http or https URL", {
    hint: "Write it like http://proxy.example.com:3128; where it is set tells: alga-appliance doctor --settings",
  });
}

/** Reads the address of a proxy, http where no scheme is named; undefined when it is no http or https URL. It may hold a login. */
export function parseProxy(setting: string): URL | undefined {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(setting) ? setting : `http://${setting}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  return proxy?.protocol === "http:" || proxy?.protocol === "https:" ? proxy : undefined;
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
  if (parseIp(name) !== undefined) return name === target.host;
  const suffix = name.replace(/^\*?\./, "");
  return target.host === suffix || target.host.endsWith(`.${suffix}`);
}

function splitPort(rule: string): { readonly name: string; readonly port: string | undefined } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:]*)):(\d+)$/.exec(rule);
  if (match !== null) return { name: match[1] ?? match[2] ?? "", port: match[3] };
  return { name: bareHost(rule), port: undefined };
}

function isInRange(host: string, range: string): boolean {
  const [ip, network] = [parseIp(host), parseNetwork(range)];
  return ip !== undefined && network !== undefined && isInside(ip, network);
}

function bareHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
}

/** The login in a proxy's URL, as it is meant; undefined when it has none. It is a secret: never log it. */
export function proxyLogin({
  username,
  password,
}: URL): { readonly username: string; readonly password: string } | undefined {
  return username === "" && password === "" ? undefined : { username: decoded(username), password: decoded(password) };
}

/** Proxy-Authorization for the login in a proxy's URL; undefined when it has none. It is a secret: never log it. */
export function proxyAuthorization(proxy: URL): string | undefined {
  const login = proxyLogin(proxy);
  if (login === undefined) return undefined;
  return `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`;
}

/** URL parsers let a "%" through that begins no byte: then it is meant as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
