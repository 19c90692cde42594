/**
 * The flags of every verb that signs, and from flags and environment to keys.
 *
 * A private key is a file, or the content of an environment variable (`env://NAME`, for pipelines). Its passphrase comes from
 * the environment, from standard input, or from a person at the terminal who is asked without showing it; never from the
 * command line, where other users could read it.
 */
import type { CommandContext, Flag } from "../cli/command.ts";
import { flagTexts, typedPath } from "../cli/flag-values.ts";
import { ApplianceError } from "../core/errors.ts";
import { isSealedKey, openSigningKey, type PublicKey, readPublicKey, type SigningKey } from "./keys.ts";

/** The key that signs. */
export const KEY_FLAGS: readonly Flag[] = [
  {
    name: "key",
    type: "string",
    multiple: true,
    value: "<pem file | env://NAME>",
    summary: "Private key that signs; passphrase from ALGA_APPLIANCE_KEY_PASSPHRASE or the terminal",
  },
  { name: "passphrase-stdin", type: "boolean", summary: "Read the passphrase of the keys from standard input" },
];

/** The keys that are believed. */
export const TRUSTED_KEY_FLAG: Flag = {
  name: "trusted-key",
  type: "string",
  multiple: true,
  value: "<pem file | env://NAME>",
  summary: "Public key to trust; by default those of this box",
};

type KeyContext = Pick<CommandContext, "flags" | "env" | "deps" | "readStdin" | "askHidden">;

/** Bytes of a key file at most; the largest sealed form has about 1 KiB. */
const MAX_KEY_BYTES = 16 * 1024;

/**
 * Opens the private keys of a flag. A person at a terminal is asked for the passphrase of each sealed one, where none is given.
 *
 * @throws {ApplianceError} cli/usage when none is given, trust/bad-key and trust/passphrase for one that cannot be opened.
 */
export async function signingKeysOf(context: KeyContext, flag = "key"): Promise<readonly SigningKey[]> {
  const places = flagTexts(context.flags, flag);
  if (places.length === 0) {
    throw new ApplianceError("cli/usage", `Cannot sign: no key is given, --${flag} with a private key is wanted`, {
      hint: "alga-appliance release keygen makes one",
    });
  }
  const passphrase = await passphraseOf(context);
  const keys: SigningKey[] = [];
  for (const place of places) {
    const text = await readKeyText(context, place);
    const ask = isSealedKey(text) ? context.askHidden : undefined;
    keys.push(openSigningKey(text, passphrase ?? (await ask?.(`Passphrase of ${place}`))));
  }
  return keys;
}

/** Reads the public keys of `--trusted-key`. Throws as `readPublicKey`. */
export async function trustedKeysOf(context: KeyContext): Promise<readonly PublicKey[]> {
  const keys: PublicKey[] = [];
  for (const place of flagTexts(context.flags, TRUSTED_KEY_FLAG.name)) {
    keys.push(readPublicKey(await readKeyText(context, place)));
  }
  return keys;
}

/** The passphrase that seals or opens keys; undefined when none is given. Never logged. */
export async function passphraseOf(context: KeyContext): Promise<string | undefined> {
  if (context.flags["passphrase-stdin"] === true) {
    const text = new TextDecoder().decode(await context.readStdin(MAX_KEY_BYTES)).replace(/\r?\n$/, "");
    if (text !== "") return text;
    throw new ApplianceError("trust/passphrase", "Cannot use passphrase: standard input is empty, a line is wanted");
  }
  const text = context.env.ALGA_APPLIANCE_KEY_PASSPHRASE;
  return text === "" ? undefined : text;
}

/**
 * Reads the text of a key: a file, or `env://NAME`.
 *
 * @throws {ApplianceError} trust/bad-key when there is no such file or variable.
 */
export async function readKeyText({ env, deps }: Pick<KeyContext, "env" | "deps">, place: string): Promise<string> {
  if (place.startsWith("env://")) {
    const text = env[place.slice("env://".length)];
    if (text !== undefined && text !== "") return text;
    throw new ApplianceError("trust/bad-key", `Cannot use key "${place}": the environment has no such variable`);
  }
  const bytes = await deps.files.read(typedPath(place, env), { maxBytes: MAX_KEY_BYTES });
  if (bytes !== undefined) return new TextDecoder().decode(bytes);
  throw new ApplianceError("trust/bad-key", `Cannot use key "${place}": there is no such file, a PEM file is wanted`, {
    hint: "alga-appliance release keygen makes a pair of keys",
  });
}
