/** `release keygen`: a pair of keys for signing releases, in two files that are never overwritten. */
import { join } from "node:path/posix";
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { ApplianceError, EXIT } from "../core/errors.ts";
import { KEY_FLAGS, passphraseOf } from "../trust/key-flags.ts";
import { generateKey, type KeyFiles, type KeyKind } from "../trust/keys.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "keygen"],
    summary: "Make a pair of keys that signs releases",
    description:
      "Writes <name>.key (private, mode 0600, sealed by a passphrase) and <name>.pub (public, for the boxes) and overwrites " +
      "nothing. At a terminal the passphrase is asked for, twice and without showing it. Without a passphrase the private key lies open in its file, and --open has to say so. The key's id is the " +
      "SHA-256 of its public part. Both files are PEM, so openssl and cosign read them as they are.",
    flags: [
      { name: "out", type: "string", value: "<folder>", summary: "Where to write", fallback: "this folder" },
      { name: "name", type: "string", value: "<name>", summary: "Name of the files", fallback: "release" },
      {
        name: "type",
        type: "string",
        value: "<type>",
        choices: ["ed25519", "ecdsa-p256"],
        summary: "Kind of key; cosign's own are ecdsa-p256",
        fallback: "ed25519",
      },
      { name: "open", type: "boolean", summary: "Do not seal the private key by a passphrase" },
      ...KEY_FLAGS.filter(({ name }) => name === "passphrase-stdin"),
    ],
    examples: [
      { command: "alga-appliance release keygen --out keys", about: "A sealed key; its passphrase is asked for" },
      { command: "alga-appliance release keygen --out keys --passphrase-stdin", about: "The same in a pipeline" },
      {
        command: "alga-appliance release keygen --out keys --name root-a --open",
        about: "For a store that seals by itself",
      },
    ],
    run: async (context) => {
      const files = await makeKey(context);
      context.out.result(files, () => `key ${files.id}\nprivate ${files.privateKey}\npublic  ${files.publicKey}`);
      return EXIT.done;
    },
  },
];

async function makeKey(context: CommandContext) {
  const { flags, deps, env } = context;
  const folder = typedPath(flagText(flags, "out") ?? ".", env);
  const name = flagText(flags, "name") ?? "release";
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new ApplianceError(
      "cli/usage",
      `Cannot make key "${name.slice(0, 100)}": letters, digits, '.', '_', '-' are wanted`,
    );
  }
  const passphrase = await sealOf(context);
  const kind: KeyKind = flagText(flags, "type") === "ecdsa-p256" ? "ecdsa-p256" : "ed25519";
  const pair = generateKey(deps, { kind, passphrase });
  await deps.files.makeDirectory(folder, { mode: 0o700 });
  const [privateKey, publicKey] = [join(folder, `${name}.key`), join(folder, `${name}.pub`)];
  await writePair(context, pair, { privateKey, publicKey });
  return { id: pair.id, type: kind, sealed: passphrase !== undefined, privateKey, publicKey };
}

async function sealOf(context: CommandContext): Promise<string | undefined> {
  const passphrase = await passphraseOf(context);
  if (passphrase !== undefined || context.flags.open === true) return passphrase;
  const typed = await askTwice(context);
  if (typed !== undefined && typed !== "") return typed;
  throw new ApplianceError("trust/passphrase", "Cannot make key: no passphrase is given, one is wanted to seal it", {
    hint: "Give it in ALGA_APPLIANCE_KEY_PASSPHRASE or with --passphrase-stdin, or leave the key open with --open",
  });
}

/** A key whose passphrase was mistyped would be lost. */
async function askTwice({ askHidden }: CommandContext): Promise<string | undefined> {
  const first = await askHidden?.("Passphrase of the new key");
  if (first === undefined || first === "" || first === (await askHidden?.("The same again"))) return first;
  throw new ApplianceError(
    "trust/passphrase",
    "Cannot make key: the two passphrases differ, the same twice is wanted",
    {
      hint: "Begin again: nothing was written",
    },
  );
}

/** The private key first: a public key whose private part was never written would be trusted for nothing. */
async function writePair(
  { deps }: CommandContext,
  pair: KeyFiles,
  paths: { readonly privateKey: string; readonly publicKey: string },
): Promise<void> {
  const taken = (path: string): ApplianceError =>
    new ApplianceError("trust/key-exists", `Cannot write key "${path}": there is such a file, another name is wanted`, {
      hint: "Choose another --name or --out",
    });
  if ((await deps.files.stat(paths.publicKey)) !== undefined) throw taken(paths.publicKey);
  if (!(await deps.files.create(paths.privateKey, pair.privatePem, { mode: 0o600 }))) throw taken(paths.privateKey);
  if (!(await deps.files.create(paths.publicKey, pair.publicPem, { mode: 0o644 }))) throw taken(paths.publicKey);
}
