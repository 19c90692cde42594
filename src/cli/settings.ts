/**
 * Settings: flag, then `ALGA_APPLIANCE_*`, then the settings file, then the default; each knows where it came from. What
 * the whole machine is told of its proxy counts as the default: whoever says something to the appliance alone means it.
 *
 * The table is the whole truth: `doctor --settings` prints it, the reference is generated from it. The file is YAML with
 * the keys of the table, nested at the dots. Pure: the caller reads the file.
 */
import { parse, stringify } from "yaml";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import type { FlagValue } from "./command.ts";

export interface Setting {
  /** Dotted key in the settings file: "registry.host". */
  readonly key: string;
  readonly env: string;
  /** Variable that is not ours and stands for the default, in capitals or small letters: "HTTPS_PROXY". */
  readonly ambientEnv?: string;
  /** Flag of the same meaning, where commands have one. */
  readonly flag?: string;
  readonly fallback?: string;
  readonly secret?: boolean;
  readonly summary: string;
}

export const SETTINGS = [
  { key: "root", env: "ALGA_APPLIANCE_ROOT", fallback: "/", summary: "Folder under which all paths of the box lie" },
  {
    key: "name",
    env: "ALGA_APPLIANCE_NAME",
    flag: "name",
    summary: "Name of this appliance on screens; the host name by default",
  },
  {
    key: "listen.host",
    env: "ALGA_APPLIANCE_LISTEN",
    flag: "listen",
    fallback: "::",
    summary: "Interface that the control plane listens on",
  },
  {
    key: "listen.port",
    env: "ALGA_APPLIANCE_PORT",
    flag: "port",
    fallback: "8080",
    summary: "Port of the control plane",
  },
  {
    key: "listen.tlsPort",
    env: "ALGA_APPLIANCE_TLS_PORT",
    flag: "tls-port",
    summary: 'Port of the control plane over TLS; 8443 unless the plain port is 0, "none" for plain only',
  },
  {
    key: "kubeconfig",
    env: "ALGA_APPLIANCE_KUBECONFIG",
    flag: "kubeconfig",
    summary: "Kubeconfig file; the service account in a pod, else /etc/rancher/k3s/k3s.yaml",
  },
  {
    key: "registry.host",
    env: "ALGA_APPLIANCE_REGISTRY_HOST",
    flag: "registry",
    fallback: "ghcr.io",
    summary: "Registry that releases come from",
  },
  {
    key: "registry.repository",
    env: "ALGA_APPLIANCE_REPOSITORY",
    flag: "repository",
    fallback: "nine-minds",
    summary: "Base under which the registry keeps our artifacts",
  },
  {
    key: "registry.ca",
    env: "ALGA_APPLIANCE_REGISTRY_CA",
    flag: "registry-ca",
    summary: "PEM file with the registry's private CA",
  },
  {
    key: "registry.plainHttp",
    env: "ALGA_APPLIANCE_REGISTRY_PLAIN_HTTP",
    flag: "plain-http",
    summary: "Speak HTTP without TLS to the registry (loopback does so by itself)",
  },
  {
    key: "registry.config",
    env: "ALGA_APPLIANCE_REGISTRY_CONFIG",
    flag: "registry-config",
    summary: "Docker config.json with the registry's credentials",
  },
  {
    key: "registry.username",
    env: "ALGA_APPLIANCE_REGISTRY_USERNAME",
    flag: "username",
    summary: "User name at the registry",
  },
  {
    key: "registry.password",
    env: "ALGA_APPLIANCE_REGISTRY_PASSWORD",
    secret: true,
    summary: "Password at the registry",
  },
  {
    key: "channel",
    env: "ALGA_APPLIANCE_DEFAULT_CHANNEL",
    flag: "channel",
    fallback: "stable",
    summary: "Release channel",
  },
  {
    key: "trust.allowUnsigned",
    env: "ALGA_APPLIANCE_ALLOW_UNSIGNED",
    flag: "allow-unsigned",
    summary: "Install releases without a signature although this box has trusted keys: true or false",
  },
  {
    key: "trust.acceptExpired",
    env: "ALGA_APPLIANCE_ACCEPT_EXPIRED",
    flag: "accept-expired",
    summary: "Accept expired metadata of channels until this instant, for boxes without a way to the publisher",
  },
  {
    key: "license.url",
    env: "ALGA_LICENSE_SERVICE_URL",
    summary: "Address of the license service that redeems install codes",
  },
  {
    key: "store.listen",
    env: "ALGA_APPLIANCE_STORE_LISTEN",
    flag: "store-listen",
    summary: "host:port on which serve offers the store of release load as a registry; not set: nowhere",
  },
  {
    key: "proxy.https",
    env: "ALGA_APPLIANCE_HTTPS_PROXY",
    ambientEnv: "HTTPS_PROXY",
    summary: "Proxy for HTTPS; HTTPS_PROXY by default",
  },
  {
    key: "proxy.http",
    env: "ALGA_APPLIANCE_HTTP_PROXY",
    ambientEnv: "HTTP_PROXY",
    summary: "Proxy for HTTP; HTTP_PROXY by default",
  },
  {
    key: "proxy.no",
    env: "ALGA_APPLIANCE_NO_PROXY",
    ambientEnv: "NO_PROXY",
    summary: "Hosts, suffixes and networks that are reached without a proxy; NO_PROXY by default",
  },
  {
    key: "log.level",
    env: "ALGA_APPLIANCE_LOG_LEVEL",
    fallback: "warn",
    summary: "Lowest level that is logged: debug, info, warn, error",
  },
] as const satisfies readonly Setting[];

export type SettingKey = (typeof SETTINGS)[number]["key"];

export interface SettingValue {
  readonly key: SettingKey;
  readonly value: string | undefined;
  /** "--registry", "ALGA_APPLIANCE_PORT", the file's path, "HTTPS_PROXY", "default" or "not set". */
  readonly origin: string;
  readonly secret: boolean;
}

/** All settings of one run, resolved once. `get` answers undefined for one that is not set and has no default. */
export interface Settings {
  get(key: SettingKey): string | undefined;
  readonly all: readonly SettingValue[];
}

export interface SettingSources {
  readonly flags: Readonly<Record<string, FlagValue>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path and text of the settings file, when it is there. */
  readonly file?: { readonly path: string; readonly text: string };
}

/**
 * Resolves every setting.
 *
 * @throws {ApplianceError} config/invalid when the file is not YAML, has a key that is not in the table, or a value that is
 *   no scalar; the message names the line or key.
 */
export function resolveSettings(sources: SettingSources): Settings {
  const fromFile = sources.file === undefined ? new Map<string, string>() : readSettingsFile(sources.file);
  const all = SETTINGS.map((setting): SettingValue => resolveOne(setting, sources, fromFile));
  return { all, get: (key) => all.find((one) => one.key === key)?.value };
}

/** Settings to go on with, and what is wrong with the file that was passed over for them. */
export interface SettingsOrDefaults {
  readonly settings: Settings;
  readonly problem?: ApplianceError;
}

/**
 * The same for a command that mends or tells: a file that nobody can use is passed over, and told.
 *
 * @throws {ApplianceError} what flags or environment are to blame for.
 */
export function settingsOrDefaults(sources: SettingSources): SettingsOrDefaults {
  const problem = sources.file === undefined ? undefined : settingsFault(sources.file);
  if (problem === undefined) return { settings: resolveSettings(sources) };
  const { flags, env } = sources;
  return { settings: resolveSettings({ flags, env }), problem };
}

/** Why a settings file cannot be used: its form, a key, or a value without which nothing of the box starts. Undefined: it can. Pure. */
export function settingsFault(file: { readonly path: string; readonly text: string }): ApplianceError | undefined {
  try {
    for (const [key, value] of readSettingsFile(file)) assertValue(file.path, key, value);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof ApplianceError) return thrown;
    throw thrown;
  }
}

/** What can still be read of a file: the settings that can be used, and the names of what cannot. Pure. */
export function salvageSettings(file: { readonly path: string; readonly text: string }): {
  readonly kept: ReadonlyMap<string, string>;
  readonly lost: readonly string[];
} {
  let document: Record<string, unknown>;
  try {
    document = parseFile(file);
  } catch {
    return { kept: new Map(), lost: ["everything in it"] };
  }
  const kept = new Map<string, string>();
  const lost: string[] = [];
  for (const [key, value] of flatten(document)) {
    const isUsable = settingsFault({ path: file.path, text: stringify({ [key]: value }) }) === undefined;
    if (isUsable) kept.set(key, String(value));
    else lost.push(key.slice(0, MAX_SHOWN_CHARS));
  }
  return { kept, lost };
}

/** Values that a whole process ends by; the others are looked at by who uses them, and told there. */
function assertValue(path: string, key: string, value: string): void {
  if (key === "log.level" && !LEVELS.includes(value)) {
    throw invalid(path, `log.level is "${value.slice(0, MAX_SHOWN_CHARS)}", one of ${LEVELS.join(", ")} is wanted`);
  }
  if ((key === "listen.port" || (key === "listen.tlsPort" && value !== "none")) && !isPort(value)) {
    throw invalid(path, `${key} is "${value.slice(0, MAX_SHOWN_CHARS)}", a number from 0 to 65535 is wanted`);
  }
}

const LEVELS: readonly string[] = ["debug", "info", "warn", "error"];
const MAX_SHOWN_CHARS = 60;

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
}

function resolveOne(
  setting: Setting & { readonly key: SettingKey },
  sources: SettingSources,
  fromFile: ReadonlyMap<string, string>,
): SettingValue {
  const found = (value: string | undefined, origin: string): SettingValue => ({
    key: setting.key,
    value,
    origin,
    secret: setting.secret === true,
  });
  const flag = setting.flag === undefined ? undefined : sources.flags[setting.flag];
  if (typeof flag === "string" || flag === true) return found(String(flag), `--${setting.flag}`);
  const env = sources.env[setting.env] ?? sources.env[setting.env.toLowerCase()];
  if (env !== undefined && env !== "") return found(env, setting.env);
  const written = fromFile.get(setting.key);
  if (written !== undefined) return found(written, sources.file?.path ?? "file");
  const { ambientEnv, fallback } = setting;
  const ambient = ambientEnv && (sources.env[ambientEnv] || sources.env[ambientEnv.toLowerCase()]);
  if (ambient !== undefined && ambient !== "") return found(ambient, ambientEnv ?? "");
  return fallback === undefined ? found(undefined, "not set") : found(fallback, "default");
}

function readSettingsFile(file: { readonly path: string; readonly text: string }): Map<string, string> {
  const values = new Map<string, string>();
  const known = new Set<string>(SETTINGS.map((setting) => setting.key));
  for (const [key, value] of flatten(parseFile(file))) {
    if (!known.has(key)) throw invalid(file.path, `there is no setting "${key}"`);
    if (typeof value === "object") throw invalid(file.path, `"${key}" is a list, one value is wanted`);
    values.set(key, String(value));
  }
  return values;
}

function parseFile(file: { readonly path: string; readonly text: string }): Record<string, unknown> {
  try {
    const document: unknown = parse(file.text, { maxAliasCount: 10 }) ?? {};
    if (isPlainObject(document)) return document;
  } catch (cause) {
    const place = cause instanceof Error ? cause.message.split("\n")[0] : "";
    throw invalid(file.path, `it is not YAML (${place})`, cause);
  }
  throw invalid(file.path, "it is no map of settings");
}

function* flatten(value: Record<string, unknown>, prefix = ""): Generator<[string, unknown]> {
  for (const [key, inner] of Object.entries(value)) {
    if (isPlainObject(inner)) yield* flatten(inner, `${prefix}${key}.`);
    else if (inner !== null && inner !== undefined) yield [`${prefix}${key}`, inner];
  }
}

function invalid(path: string, what: string, cause?: unknown): ApplianceError {
  return new ApplianceError("config/invalid", `Cannot use settings file "${path}": ${what}`, {
    cause,
    hint: "alga-appliance doctor --settings lists every setting",
  });
}
