/**
 * The flags of every verb that speaks OCI, and from flags, environment and settings to an access record.
 *
 * A password comes from standard input or the environment, never from the command line, where other users could read it.
 */
import type { CommandContext, Flag, FlagValue } from "../cli/command.ts";
import { typedPath } from "../cli/flag-values.ts";
import { parseDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import { statePaths } from "../core/paths.ts";
import { Secret } from "../core/secret.ts";
import type { RegistryClient } from "../oci/client.ts";
import { credentialPlaces, type FoundCredentials, findCredentials } from "../oci/credentials.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { DEFAULT_PLACE, type RegistryPlace } from "./location.ts";
import { RELEASE_REPOSITORY } from "./model.ts";
import { openRegistry, type RegistryAccess } from "./registry-access.ts";
import type { ReleaseRef } from "./resolved.ts";
import { createResolvedStore, type ResolvedStore } from "./resolved-store.ts";
import { openTrust } from "./trust.ts";
import { readVersion } from "./version.ts";

export const REGISTRY_FLAGS: readonly Flag[] = [
  { name: "registry", type: "string", value: "<host[:port]>", summary: "Registry to ask", fallback: "ghcr.io" },
  {
    name: "repository",
    type: "string",
    value: "<base>",
    summary: "Base under which it keeps our artifacts",
    fallback: "nine-minds",
  },
  { name: "registry-ca", type: "string", value: "<pem file>", summary: "Private CA of the registry" },
  { name: "plain-http", type: "boolean", summary: "Speak HTTP without TLS (loopback does so by itself)" },
  { name: "username", type: "string", value: "<name>", summary: "User name at the registry" },
  { name: "password-stdin", type: "boolean", summary: "Read the password from standard input" },
  {
    name: "registry-config",
    type: "string",
    value: "<config.json>",
    summary: "File with credentials; by default where Docker and containers keep theirs",
  },
];

/** What this box may take although it has trusted keys. */
export const TRUST_FLAGS: readonly Flag[] = [
  {
    name: "allow-unsigned",
    type: "boolean",
    summary: "Take a release without a signature although this box has trusted keys",
  },
  {
    name: "accept-expired",
    type: "string",
    value: "<instant>",
    summary: "Accept expired metadata of channels until then, such as 2026-12-31T00:00:00Z",
  },
];

/** Which release: at most one of them. */
export const RELEASE_FLAGS: readonly Flag[] = [
  {
    name: "channel",
    type: "string",
    value: "<name>",
    summary: "The release that a channel points at",
    fallback: "stable",
  },
  { name: "version", type: "string", value: "<version>", summary: "Exactly this version" },
  { name: "digest", type: "string", value: "<sha256:...>", summary: "Exactly this digest" },
];

/** What commands need of their context to speak with a registry. */
export type RegistryContext = Pick<CommandContext, "flags" | "env" | "settings" | "deps" | "readStdin">;

export interface OpenedRegistry {
  readonly client: RegistryClient;
  readonly access: RegistryAccess;
  /** Repository of the release artifacts. */
  readonly repository: string;
  readonly store: ResolvedStore;
}

/**
 * Opens the registry that flags, environment and settings name.
 *
 * @param reference A whole reference that the user gave instead of flags; its registry and repository win.
 * @throws {ApplianceError} config/invalid or file/unreadable for a CA or credentials file that cannot be used; cli/usage
 *   for a user name without a password.
 */
export async function openRegistryOf(context: RegistryContext, reference?: Reference): Promise<OpenedRegistry> {
  const access = await registryAccess(context, reference);
  const client = openRegistry(context.deps, access);
  const { base } = access.place;
  const repository = reference?.repository ?? (base === "" ? RELEASE_REPOSITORY : `${base}/${RELEASE_REPOSITORY}`);
  const folder = statePaths(context.settings.get("root") ?? "/").resolvedReleases;
  return { client, access, repository, store: createResolvedStore(context.deps, folder) };
}

/** Reads how to reach the registry. Throws as `openRegistryOf` does. */
export async function registryAccess(context: RegistryContext, reference?: Reference): Promise<RegistryAccess> {
  const { settings } = context;
  const place = placeOf(context, reference);
  const ca = await caOf(context, settings.get("registry.ca"));
  const { credentials, hint } = await credentialsOf(context, place);
  const proxy = proxyOf(context);
  const trust = openTrust(context.deps, settings);
  const plainHttp = settings.get("registry.plainHttp") === "true" || isLoopbackHost(place.registry);
  return {
    place,
    plainHttp,
    ...(ca === undefined ? {} : { ca }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(hint === undefined ? {} : { loginHint: hint }),
    ...(proxy === undefined ? {} : { proxy }),
    trust,
  };
}

function placeOf({ settings }: RegistryContext, reference?: Reference): RegistryPlace {
  if (reference !== undefined) {
    const slash = reference.repository.lastIndexOf("/");
    return { registry: reference.registry, base: slash < 0 ? "" : reference.repository.slice(0, slash) };
  }
  const registry = (settings.get("registry.host") ?? DEFAULT_PLACE.registry).toLowerCase();
  return { registry, base: settings.get("registry.repository") ?? DEFAULT_PLACE.base };
}

/** 1 MiB holds a whole bundle of roots. */
const MAX_CA_BYTES = 1024 * 1024;

async function caOf({ deps, env }: RegistryContext, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const bytes = await deps.files.read(typedPath(path, env), { maxBytes: MAX_CA_BYTES });
  const text = bytes === undefined ? "" : new TextDecoder().decode(bytes);
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new ApplianceError(
    "config/invalid",
    `Cannot use registry CA "${path}": ${bytes === undefined ? "there is no such file" : "it holds no certificate"}, a PEM file is wanted`,
    { hint: "Give the file with --registry-ca <pem file>" },
  );
}

/** A password is short; anything longer is the wrong file. */
const MAX_PASSWORD_BYTES = 16 * 1024;

async function credentialsOf(context: RegistryContext, place: RegistryPlace): Promise<FoundCredentials> {
  const username = context.settings.get("registry.username");
  if (context.flags["password-stdin"] === true && username === undefined) {
    throw new ApplianceError(
      "cli/usage",
      "Cannot read a password for nobody: --username is wanted with --password-stdin",
    );
  }
  if (username !== undefined) {
    return { credentials: { kind: "password", username, password: await passwordOf(context, username) } };
  }
  const named = context.settings.get("registry.config");
  const path = named === undefined ? undefined : typedPath(named, context.env);
  if (path !== undefined && (await context.deps.files.stat(path)) === undefined) throw noSuchConfig(path);
  const paths = path === undefined ? credentialPlaces(context.env) : [path];
  const found = await findCredentials(context.deps.files, paths, place.registry);
  if (found.hint !== undefined) context.deps.log.info("registry credentials passed over", { hint: found.hint });
  return found;
}

function noSuchConfig(path: string): ApplianceError {
  return new ApplianceError(
    "config/invalid",
    `Cannot use registry credentials in "${path}": there is no such file, a Docker config.json is wanted`,
    { hint: "Name another one with --registry-config, or leave it away to go without a login" },
  );
}

async function passwordOf(context: RegistryContext, username: string): Promise<Secret> {
  if (context.flags["password-stdin"] === true) {
    const bytes = await context.readStdin(MAX_PASSWORD_BYTES);
    return new Secret(new TextDecoder().decode(bytes).replace(/\r?\n$/, ""));
  }
  const password = context.settings.get("registry.password");
  if (password !== undefined) return new Secret(password);
  throw new ApplianceError("cli/usage", `Cannot log in as "${username}": there is no password, one is wanted`, {
    hint: "Give it with --password-stdin, or in ALGA_APPLIANCE_REGISTRY_PASSWORD",
  });
}

function proxyOf({ settings }: RegistryContext): RegistryAccess["proxy"] {
  const [https, http, no] = [settings.get("proxy.https"), settings.get("proxy.http"), settings.get("proxy.no")];
  if (https === undefined && http === undefined) return undefined;
  return {
    ...(https === undefined ? {} : { https }),
    ...(http === undefined ? {} : { http }),
    ...(no === undefined ? {} : { no }),
  };
}

/** The release that flags and settings name; a whole reference wins. */
export function releaseRefOf(
  context: Pick<CommandContext, "flags" | "settings">,
  reference?: Pick<Reference, "tag" | "digest">,
): ReleaseRef {
  const given = ["channel", "version", "digest"].filter((flag) => context.flags[flag] !== undefined);
  const named = reference?.tag !== undefined || reference?.digest !== undefined;
  if (given.length + (named ? 1 : 0) > 1) {
    throw new ApplianceError(
      "cli/usage",
      `Cannot take two releases: --${given.join(" and --")} were given, one is wanted`,
    );
  }
  if (reference?.digest !== undefined) return { digest: reference.digest };
  if (reference?.tag !== undefined) return refOfTag(reference.tag);
  const text = (flag: FlagValue): string | undefined => (typeof flag === "string" ? flag : undefined);
  const [version, digest] = [text(context.flags.version), text(context.flags.digest)];
  if (digest !== undefined) return { digest: parseDigest(digest) };
  if (version !== undefined) return { version };
  return { channel: context.settings.get("channel") ?? "stable" };
}

/** A tag that reads as a version is one; every other tag is a channel. */
export function refOfTag(tag: string): ReleaseRef {
  return readVersion(tag) === undefined ? { channel: tag } : { version: tag };
}

/** Where a registry has no API for referrers, lists of them have tags too, and so have cosign's signatures. */
const STATEMENT_TAG = /^sha256-[0-9a-f]{64}(?:\.[a-z]+)?$/;

/** Tells whether signatures and the like lie under a tag, and no release or channel. */
export function isStatementTag(tag: string): boolean {
  return STATEMENT_TAG.test(tag);
}

/** What the tags of the release repository name, in their order; tags of statements left out. */
export function refsOfTags(tags: readonly string[]): readonly ReleaseRef[] {
  return tags.filter((tag) => !isStatementTag(tag)).map(refOfTag);
}

/** Parses a whole reference that was given as an argument. */
export function referenceArgument(text: string | undefined): Reference | undefined {
  return text === undefined ? undefined : parseReference(text);
}
