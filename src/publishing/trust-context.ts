/** From flags to what the publisher's side of signed metadata takes: the registry, the keys, the root document. */
import type { CommandContext, Flag } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { ApplianceError } from "../core/errors.ts";
import { pushStore } from "../oci/push.ts";
import { registryWire } from "../release/registry-access.ts";
import { type OpenedRegistry, openRegistryOf } from "../release/registry-flags.ts";
import { signingKeysOf } from "../trust/key-flags.ts";
import { ROLE_BYTES } from "../trust/metadata.ts";
import type { PublisherDeps, PublisherOptions } from "../trust/publisher.ts";

/** The publisher's own root document. */
export const ROOT_FLAG: Flag = {
  name: "root",
  type: "string",
  value: "<file>",
  summary: "Root document of the publisher, as release trust init wrote it",
  fallback: "root.json",
};

/** The same for verbs that work without signed metadata too. */
export const ROOT_FLAG_OF_CHANNELS: Flag = {
  name: ROOT_FLAG.name,
  type: "string",
  value: "<file>",
  summary: "Root document of the publisher: say by signed metadata what is published and promoted",
};

/**
 * Opens the registry and the keys of a verb that changes signed metadata.
 *
 * @throws {ApplianceError} cli/usage without a key, and as `openRegistryOf` and `signingKeysOf`.
 */
export async function publisherOf(
  context: CommandContext,
  opened?: Pick<OpenedRegistry, "client" | "access">,
): Promise<{ readonly deps: PublisherDeps; readonly options: Omit<PublisherOptions, "anchor"> }> {
  const keys = await signingKeysOf(context);
  const { client, access } = opened ?? (await openRegistryOf(context));
  const wire = registryWire(context.deps, access);
  const deps: PublisherDeps = {
    clock: context.deps.clock,
    client,
    push: async (store) => {
      await pushStore(store, wire.deps, { ...wire.options, signal: context.signal });
    },
  };
  return { deps, options: { base: access.place.base, keys, signal: context.signal } };
}

/**
 * Reads the publisher's root document. Anybody may read it; what it says counts because the publisher names it.
 *
 * @throws {ApplianceError} trust/bad-metadata when there is no such file.
 */
export async function readRootFile({ flags, env, deps }: CommandContext): Promise<Uint8Array> {
  const path = typedPath(flagText(flags, ROOT_FLAG.name) ?? "root.json", env);
  const bytes = await deps.files.read(path, { maxBytes: ROLE_BYTES.root });
  if (bytes !== undefined) return bytes;
  throw new ApplianceError("trust/bad-metadata", `Cannot use root "${path}": there is no such file`, {
    hint: "alga-appliance release trust init writes one; name it with --root <file>",
  });
}
