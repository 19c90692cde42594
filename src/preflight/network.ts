/** Preflight of the network: names, the registry, its certificate, its clock, the proxy. Any registry will do. */

import { humanAbout } from "../core/duration.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Evidence } from "../core/evidence.ts";
import { isIpAddress } from "../core/ip.ts";
import type { PeerCertificate } from "../core/ports.ts";
import { redactText } from "../core/redact.ts";
import { toInstant } from "../core/time.ts";
import type { RegistryClient } from "../oci/client.ts";
import { openRegistryAsking } from "../release/answered-registry.ts";
import { placeText } from "../release/location.ts";
import { type Finding, findingOf, type PreflightCheck, type PreflightContext } from "./check.ts";

export const NETWORK_CHECKS: readonly PreflightCheck[] = [
  {
    code: "network/no-address",
    title: "This machine has an address",
    wrong: "This machine has no address",
    retrySafe: true,
    look: address,
  },
  {
    code: "network/no-resolver",
    title: "A name server is set",
    wrong: "No name server is set",
    retrySafe: false,
    look: resolvers,
  },
  {
    code: "network/registry-name",
    title: "The name of the registry resolves",
    wrong: "The name of the registry does not resolve",
    retrySafe: true,
    look: registryName,
  },
  {
    code: "network/registry-unreachable",
    title: "The registry answers",
    wrong: "The registry does not answer",
    retrySafe: true,
    look: registryAnswers,
  },
  {
    code: "network/registry-certificate",
    title: "The certificate of the registry is trusted",
    wrong: "The certificate of the registry is not trusted",
    retrySafe: false,
    look: certificate,
  },
  {
    code: "host/clock-skew",
    title: "The clock of this machine is right",
    wrong: "The clock of this machine is wrong",
    retrySafe: true,
    look: clockSkew,
  },
  {
    code: "network/proxy",
    title: "The proxy can be used",
    wrong: "The proxy cannot be used",
    retrySafe: false,
    look: proxy,
  },
];

async function address({ network }: PreflightContext): Promise<Finding> {
  const addresses = await network.addresses();
  if (addresses.length > 0) return { ok: true, evidence: [{ ref: "addresses", text: addresses.join(", ") }] };
  return {
    ok: false,
    cause: "No network interface has an address that others can reach.",
    evidence: [],
    next: "Plug in the network, or set an address for it on the console of the machine",
  };
}

async function resolvers({ network, nameServers }: PreflightContext): Promise<Finding> {
  const servers = nameServers ?? (await network.nameServers());
  const ref = nameServers === undefined ? "/etc/resolv.conf" : "answers";
  if (servers.length > 0) return { ok: true, evidence: [{ ref, text: servers.join(", ") }] };
  return {
    ok: false,
    cause: "The system names no name server, so no host name can be resolved.",
    evidence: [{ ref, text: "no nameserver line" }],
    next: "Choose custom DNS and give a name server, or set one on this machine",
    fields: ["dnsMode", "dnsServers"],
  };
}

/** Host and port of the registry; an IPv6 host without its brackets. */
function registryHost({ registry }: PreflightContext): { readonly host: string; readonly port: number } {
  const plain = registry.plainHttp === true;
  const url = new URL(`${plain ? "http" : "https"}://${registry.place.registry}`);
  const port = url.port === "" ? (plain ? 80 : 443) : Number(url.port);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port };
}

/** Through a proxy, names are resolved and certificates are checked by the connection itself, not here. */
function isProxied({ registry }: PreflightContext): boolean {
  const proxied = registry.plainHttp === true ? registry.proxy?.http : registry.proxy?.https;
  return proxied !== undefined && proxied !== "";
}

async function registryName(context: PreflightContext): Promise<Finding> {
  const { host } = registryHost(context);
  const ref = `DNS ${host}`;
  if (isIpAddress(host) || host === "localhost") return { ok: true, evidence: [{ ref, text: "needs no resolving" }] };
  if (isProxied(context)) return { ok: true, evidence: [{ ref, text: "is resolved by the proxy" }] };
  const { network, nameServers } = context;
  try {
    const found = await network.resolve(host, {
      timeoutMs: 8_000,
      ...(nameServers === undefined ? {} : { servers: nameServers }),
    });
    return { ok: true, evidence: [{ ref, text: found.join(", ") }] };
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    const asked = nameServers ?? (await network.nameServers());
    return {
      ok: false,
      cause: `The name ${host} cannot be resolved.`,
      evidence: [
        { ref, text: redactText(thrown.message) },
        { ref: "name servers asked", text: asked.join(", ") || "none" },
      ],
      next: "Check the name servers, or choose custom DNS; an internal DNS must know the registry",
      fields: ["dnsMode", "dnsServers"],
    };
  }
}

function ping(context: PreflightContext, signal: AbortSignal): ReturnType<RegistryClient["ping"]> {
  return openRegistryAsking(context, context.nameServers).ping(signal);
}

async function registryAnswers(context: PreflightContext, signal: AbortSignal): Promise<Finding> {
  const ref = `registry ${placeText(context.registry.place)}`;
  try {
    const { authenticated } = await ping(context, signal);
    return { ok: true, evidence: [{ ref, text: authenticated ? "answers" : "answers, and asks for a login" }] };
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return {
      ok: false,
      cause: `${redactText(thrown.message)}.`,
      evidence: [{ ref, text: `${thrown.code}: ${redactText(thrown.message)}` }],
      next: thrown.hint ?? "Allow this machine to reach the registry over HTTPS: firewall, proxy, route",
    };
  }
}

async function certificate(context: PreflightContext): Promise<Finding> {
  const { host, port } = registryHost(context);
  const ref = `certificate of ${host}:${port}`;
  if (context.registry.plainHttp === true) return { ok: true, evidence: [{ ref, text: "plain HTTP, there is none" }] };
  if (isProxied(context)) return { ok: true, evidence: [{ ref, text: "is checked through the proxy" }] };
  const { ca } = context.registry;
  let seen: PeerCertificate;
  try {
    seen = await context.network.certificate(host, port, { timeoutMs: 10_000, ...(ca === undefined ? {} : { ca }) });
  } catch (thrown) {
    // No connection is the finding of another check; what cannot be seen is not called wrong here.
    if (isApplianceError(thrown) && thrown.code !== "net/tls")
      return { ok: true, evidence: [{ ref, text: "could not be read" }] };
    return findingOf(thrown);
  }
  return judgeCertificate(seen, { ref, nowMs: context.clock.now() });
}

function judgeCertificate(seen: PeerCertificate, at: { readonly ref: string; readonly nowMs: number }): Finding {
  const period = `valid from ${toInstant(seen.validFromMs)} to ${toInstant(seen.validToMs)}`;
  const text = `${seen.subject}, issued by ${seen.issuer}, ${period}`;
  const evidence: Evidence[] = [{ ref: at.ref, text }];
  if (seen.trusted) return { ok: true, evidence };
  const outside = at.nowMs < seen.validFromMs || at.nowMs > seen.validToMs;
  if (outside) {
    return {
      ok: false,
      cause: "By the clock of this machine the certificate is not valid now.",
      evidence: [...evidence, { ref: "clock of this machine", text: toInstant(at.nowMs) }],
      next: "Set the clock of this machine: timedatectl set-ntp true. If it is right, the registry needs a new certificate",
    };
  }
  return {
    ok: false,
    cause: `The certificate is not trusted: ${seen.problem ?? "no reason is given"}.`,
    evidence,
    next: "Give the certificate of your own authority with --registry-ca; if a firewall opens TLS, give its certificate",
  };
}

async function clockSkew(context: PreflightContext, signal: AbortSignal): Promise<Finding> {
  const ref = `Date of ${context.registry.place.registry}`;
  let serverTimeMs: number | undefined;
  try {
    ({ serverTimeMs } = await ping(context, signal));
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
  }
  if (serverTimeMs === undefined) return { ok: true, evidence: [{ ref, text: "no time was seen" }] };
  const nowMs = context.clock.now();
  const evidence = [
    { ref, text: toInstant(serverTimeMs) },
    { ref: "clock of this machine", text: toInstant(nowMs) },
  ];
  const skewMs = Math.abs(nowMs - serverTimeMs);
  if (skewMs <= context.requirements.clockSkewMs) return { ok: true, evidence };
  return {
    ok: false,
    cause: `The clock is ${humanAbout(skewMs)} ${nowMs > serverTimeMs ? "ahead" : "behind"}; certificates and logins depend on it.`,
    evidence,
    next: "Set the clock: timedatectl set-ntp true, or timedatectl set-time",
  };
}

async function proxy({ registry }: PreflightContext): Promise<Finding> {
  const set = Object.entries(registry.proxy ?? {}).filter(([, value]) => value !== undefined && value !== "");
  const evidence = set.map(([name, value]) => ({ ref: `${name} proxy`, text: redactText(String(value)) }));
  const wrong = set.find(([name, value]) => name !== "no" && !/^https?:\/\/[^\s/]+\/?$/.test(String(value)));
  if (wrong === undefined) return { ok: true, evidence };
  return {
    ok: false,
    cause: `The ${wrong[0]} proxy is set to something that is no address.`,
    evidence,
    next: "Set it in the form http://proxy.example.com:3128, or remove it",
  };
}
