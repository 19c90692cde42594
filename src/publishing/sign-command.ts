/** `release sign` and `release verify`: signatures of a release, in cosign's forms. */
import type { Command, CommandContext } from "../cli/command.ts";
import type { Digest } from "../core/digest.ts";
import { ApplianceError, EXIT } from "../core/errors.ts";
import { pushStore } from "../oci/push.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import type { RegistryStore } from "../oci/store.ts";
import { registryWire } from "../release/registry-access.ts";
import { openRegistryOf, REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { boxKeys } from "../release/trust.ts";
import { KEY_FLAGS, signingKeysOf, TRUSTED_KEY_FLAG, trustedKeysOf } from "../trust/key-flags.ts";
import { signManifest, verifySignatures } from "../trust/signatures.ts";

const REFERENCE = {
  name: "reference",
  summary: "What is meant: host/repository:tag or host/repository@sha256:...",
} as const;
const REGISTRY = REGISTRY_FLAGS.filter(({ name }) => name !== "registry" && name !== "repository");

export const commands: readonly Command[] = [
  {
    path: ["release", "sign"],
    summary: "Sign a release, chart or image in a registry",
    description:
      "Writes the signature in both forms of cosign: as a bundle that refers to the manifest, and under the tag sha256-<hex>.sig. " +
      "Nothing goes to a transparency log, so cosign verifies it with --insecure-ignore-tlog. Signatures by other keys stay. A " +
      "tag is read once; its digest is what is signed. Safe to call again.",
    flags: [...KEY_FLAGS, ...REGISTRY],
    positionals: [REFERENCE],
    examples: [
      {
        command: "alga-appliance release sign ghcr.io/nine-minds/alga-appliance-release:1.0.3 --key keys/release.key",
        about: "Sign a release with a sealed key",
      },
      {
        command: "alga-appliance release sign ghcr.io/nine-minds/alga-appliance-release:1.0.3 --key env://SIGNING_KEY",
        about: "In a pipeline, with the key in a variable",
      },
    ],
    run: async (context) => {
      const keys = await signingKeysOf(context);
      const { reference, client, access } = await openNamed(context);
      const digest = await digestOfNamed(context, { reference, client });
      const wire = registryWire(context.deps, access);
      const push = async (store: RegistryStore): Promise<void> => {
        await pushStore(store, wire.deps, { ...wire.options, signal: context.signal });
      };
      const signatures: { keyId: string; written: boolean }[] = [];
      for (const key of keys) {
        const thing = { repository: reference.repository, digest, signal: context.signal };
        signatures.push({ keyId: key.id, written: await signManifest({ client, push }, key, thing) });
      }
      context.out.result({ digest, signatures }, () =>
        signatures
          .map(({ keyId, written }) => `${written ? "signed" : "was signed"} by ${keyId}`)
          .concat(digest)
          .join("\n"),
      );
      return EXIT.done;
    },
  },
  {
    path: ["release", "verify"],
    summary: "Verify that a trusted key signed a release, chart or image",
    description:
      "Reads the signatures of cosign's forms, ours and its own, and ends with a failure unless one is by a trusted key over this " +
      "digest. A signature binds a digest; which release a channel may mean is told by the signed metadata of the channel.",
    flags: [TRUSTED_KEY_FLAG, ...REGISTRY],
    positionals: [REFERENCE],
    examples: [
      {
        command:
          "alga-appliance release verify ghcr.io/nine-minds/alga-appliance-release:1.0.3 --trusted-key keys/release.pub",
        about: "With the publisher's key",
      },
    ],
    run: async (context) => {
      const given = await trustedKeysOf(context);
      const keys = given.length > 0 ? given : await boxKeys(context.deps, context.settings.get("root"));
      if (keys.length === 0) throw noKeys();
      const { reference, client } = await openNamed(context);
      const digest = await digestOfNamed(context, { reference, client });
      const thing = { repository: reference.repository, digest, keys, signal: context.signal };
      const { keyId } = await verifySignatures(client, thing);
      context.out.result({ digest, verifiedBy: keyId }, () => `verified by ${keyId}\n${digest}`);
      return EXIT.done;
    },
  },
];

function noKeys(): ApplianceError {
  return new ApplianceError("cli/usage", "Cannot verify: this box has no trusted keys, at least one is wanted", {
    hint: "Give the publisher's key with --trusted-key <pem file>",
  });
}

async function openNamed(context: CommandContext) {
  const reference = parseReference(context.args[0] ?? "");
  return { reference, ...(await openRegistryOf(context, reference)) };
}

/** A digest that was given is taken as it is; a tag is read once. */
async function digestOfNamed(
  { signal }: CommandContext,
  named: Pick<Awaited<ReturnType<typeof openNamed>>, "reference" | "client">,
): Promise<Digest> {
  const { tag, digest, repository }: Reference = named.reference;
  if (digest !== undefined) return digest;
  if (tag === undefined)
    throw new ApplianceError("cli/usage", "Cannot tell what is meant: a tag or a digest is wanted");
  return (await named.client.document(repository, tag, { signal })).descriptor.digest;
}
