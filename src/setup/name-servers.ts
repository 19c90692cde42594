/**
 * What the wizard's address step asks: does each name server answer, and does it know the name that people will type.
 *
 * Each server is asked by itself, so that a dead second one is seen before it costs seconds at every name. Only looks.
 */
import { isApplianceError } from "../core/errors.ts";
import { isIpAddress } from "../core/ip.ts";
import type { Deps } from "../core/ports.ts";
import { redactText } from "../core/redact.ts";
import type { RegistryAccess } from "../release/registry-access.ts";
import type { NameQuestion } from "./validate.ts";

/** `works`: it answers and knows the name; `no-such-name`: it answers and does not; `refused`: it answers with an error. */
export type NameServerState = "works" | "no-such-name" | "refused" | "no-answer";

export interface NameServerAnswer {
  /** IP address. */
  readonly address: string;
  readonly state: NameServerState;
  /** Milliseconds until it answered or was given up. */
  readonly tookMs: number;
  /** What was seen, for people. */
  readonly text: string;
}

export interface NameServerReport {
  /** The name each server was asked for; null: one that nobody has, because the answer alone counts. */
  readonly question: string | null;
  /** In the order in which they are used; empty when the system names none. */
  readonly servers: readonly NameServerAnswer[];
  /** The address of the application, asked of all these servers; null when none was given or it is an IP address. */
  readonly application: {
    readonly name: string;
    readonly state: NameServerState;
    readonly addresses: readonly string[];
    /** Whether it leads to an address of this box; false also where a proxy or a router stands between. */
    readonly leadsHere: boolean;
    /** A name that differs by a slip of the finger and is known; null when there is none. */
    readonly suggestion: string | null;
  } | null;
}

/** Milliseconds for one try; a resolver makes two. */
const TIMEOUT_MS = 1_500;
/** No name server may know it. @see RFC 6761 section 6.4 */
const NOBODY = "name-server-check.invalid";

/** Endings as fingers slip: what was typed, what was meant. */
const SLIPS: Readonly<Record<string, string>> = {
  con: "com",
  cmo: "com",
  ocm: "com",
  comm: "com",
  vom: "com",
  xom: "com",
  co: "com",
  cm: "com",
  nte: "net",
  ney: "net",
  bet: "net",
  ent: "net",
  ogr: "org",
  rog: "org",
  orf: "org",
  ort: "org",
  ed: "de",
  dee: "de",
  locla: "local",
  loca: "local",
};

type LookDeps = Pick<Deps, "clock" | "network"> & { readonly registry: RegistryAccess };

/** Asks every name server of the answers, and for the application's name. Never rejects for what a server does. */
export async function askNameServers(deps: LookDeps, asked: NameQuestion): Promise<NameServerReport> {
  const servers = asked.nameServers ?? (await deps.network.nameServers());
  const question = questionFor(deps.registry);
  const name = asked.appUrl === undefined ? undefined : new URL(asked.appUrl).hostname.replace(/^\[|\]$/g, "");
  const [answers, application] = await Promise.all([
    Promise.all(servers.map((server) => askServer(deps, server, question))),
    name === undefined || isIpAddress(name) ? null : askApplication(deps, servers, name),
  ]);
  return { question, servers: answers, application };
}

/** The registry's name is what setup needs first; through a proxy, or without a name, an answer is enough. */
function questionFor({ place, proxy, plainHttp }: RegistryAccess): string | null {
  const proxied = plainHttp === true ? proxy?.http : proxy?.https;
  if (proxied !== undefined && proxied !== "") return null;
  const host = new URL(`https://${place.registry}`).hostname.replace(/^\[|\]$/g, "");
  return isIpAddress(host) || host === "localhost" || host.endsWith(".localhost") ? null : host;
}

async function askServer(deps: LookDeps, server: string, question: string | null): Promise<NameServerAnswer> {
  const startedMs = deps.clock.monotonic();
  const found = await ask(deps, [server], question ?? NOBODY);
  const tookMs = Math.max(0, Math.round(deps.clock.monotonic() - startedMs));
  const isEnough = question === null && found.state === "no-such-name";
  return {
    address: server,
    state: isEnough ? "works" : found.state,
    tookMs,
    text: isEnough ? "It answers" : found.text,
  };
}

async function askApplication(
  deps: LookDeps,
  servers: readonly string[],
  name: string,
): Promise<NameServerReport["application"]> {
  const [{ state, addresses }, own] = await Promise.all([ask(deps, servers, name), deps.network.addresses()]);
  const leadsHere = addresses.some((address) => own.includes(address));
  const suggestion = state === "no-such-name" ? await meantName(deps, servers, name) : null;
  return { name, state, addresses, leadsHere, suggestion };
}

/** The name with its ending put right, when that one is known. */
async function meantName(deps: LookDeps, servers: readonly string[], name: string): Promise<string | null> {
  const dot = name.lastIndexOf(".");
  const meant = SLIPS[name.slice(dot + 1)];
  if (dot <= 0 || meant === undefined) return null;
  const better = `${name.slice(0, dot)}.${meant}`;
  return (await ask(deps, servers, better)).state === "works" ? better : null;
}

interface Found {
  readonly state: NameServerState;
  readonly addresses: readonly string[];
  readonly text: string;
}

async function ask({ network }: LookDeps, servers: readonly string[], name: string): Promise<Found> {
  try {
    const addresses = await network.resolve(name, { servers, timeoutMs: TIMEOUT_MS });
    return { state: "works", addresses, text: addresses.join(", ") };
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return { state: stateOf(thrown.details.reason), addresses: [], text: redactText(thrown.message) };
  }
}

/** @see c-ares, "Error codes" of ares_gethostbyname(3) */
function stateOf(reason: unknown): NameServerState {
  if (reason === "ENOTFOUND" || reason === "ENODATA") return "no-such-name";
  return reason === "ETIMEOUT" || reason === "ECONNREFUSED" || reason === "EAI_AGAIN" ? "no-answer" : "refused";
}
