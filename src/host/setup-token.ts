/**
 * The setup token: the secret by which the person in front of the box proves to be there.
 *
 * Five groups of four decimal digits, because it is read from a console and typed; 66 bits by a strong generator. It is made
 * once and used once (the claim removes it). Never logged.
 */

import type { Files, Random } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";

const GROUPS = 5;
const MAX_TOKEN_BYTES = 1024;

/** Makes a new token. */
export function newSetupToken(random: Pick<Random, "bytes">): Secret {
  const groups = Array.from({ length: GROUPS }, () => String(digitsOf(random)).padStart(4, "0"));
  return new Secret(groups.join("-"));
}

/** A number below 10,000 without the bias of a plain remainder: values above the largest multiple are drawn again. */
function digitsOf(random: Pick<Random, "bytes">): number {
  for (;;) {
    const [high = 0, low = 0] = random.bytes(2);
    const value = high * 256 + low;
    if (value < 60_000) return value % 10_000;
  }
}

/** Reads the token that is there; undefined when the appliance is claimed or has none. */
export async function readSetupToken(files: Pick<Files, "read">, path: string): Promise<Secret | undefined> {
  const bytes = await files.read(path, { maxBytes: MAX_TOKEN_BYTES });
  const text = bytes === undefined ? "" : new TextDecoder().decode(bytes).trim();
  return text === "" ? undefined : new Secret(text);
}

/**
 * Makes the token of a box unless there is one. Safe to call again: the token on the console stays true.
 *
 * @returns The token that counts.
 */
export async function ensureSetupToken(
  deps: { readonly files: Files; readonly random: Random },
  path: string,
): Promise<Secret> {
  const made = newSetupToken(deps.random);
  await deps.files.create(path, `${made.reveal()}\n`, { mode: 0o600 });
  return (await readSetupToken(deps.files, path)) ?? made;
}

/** Whether somebody owns the box: the management password is set, and no setup token opens anything. Reads only. */
export async function isClaimed(
  { files }: { readonly files: Pick<Files, "stat"> },
  { adminCredential }: { readonly adminCredential: string },
): Promise<boolean> {
  return (await files.stat(adminCredential)) !== undefined;
}

/**
 * Puts another token in the place of the one that is there: whoever has read the old one opens nothing with it. Safe to call again.
 *
 * @returns false when the box was claimed meanwhile; then there is no token.
 */
export async function replaceSetupToken(
  deps: { readonly files: Files; readonly random: Random },
  paths: { readonly setupToken: string; readonly adminCredential: string },
): Promise<boolean> {
  await deps.files.write(paths.setupToken, `${newSetupToken(deps.random).reveal()}\n`, { mode: 0o600 });
  if (!(await isClaimed(deps, paths))) return true;
  await deps.files.remove(paths.setupToken);
  return false;
}
