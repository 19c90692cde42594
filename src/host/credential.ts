/**
 * The first login of the box: an account of the system with a password that is made at the first boot, shown on the screen of the box
 * once, and expired by its first use.
 *
 * Parties: who stands before the box reads it; everybody else must not. Secrets: the password, which is in memory (`/run`) and in the
 * system's own hash alone, never in an argument, an answer or a log. Objects: the account of `systemd/alga-appliance.sysusers`, and a
 * record that says how far it came, by digests of the hash. A password that anybody else has set is never touched.
 *
 * @see shadow(5); passwd(5); `seeds/architecture-map.md`, "init-admin-credential"
 */
import { z } from "zod";
import { type Digest, digestOf, isDigest } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { Deps, Files, Random } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";

/** @see systemd/alga-appliance.sysusers */
export const CONSOLE_USER = "alga-admin";

/** Small letters on the same key of English, German and French keyboards, without l: 16 of these 19 are 67.9 bits. */
const LETTERS = "bcdefghijknoprstuvx";
const LENGTH = 16;

/** Bytes of passwd and shadow at most. */
const MAX_ACCOUNTS_BYTES = 1024 * 1024;
const MAX_RECORD_BYTES = 4_096;

const RECORD_SCHEMA = "alga.appliance.console-credential/v1";
const digest = z.custom<Digest>(isDigest);

const recordSchema = z.object({
  schema: z.literal(RECORD_SCHEMA),
  user: z.string(),
  /** `making`: the account may have it already; `set`: nobody has seen it; `shown`: never again. */
  state: z.enum(["making", "set", "shown"]),
  /** Digest of the account's hash before, and of the one that we made. */
  before: digest,
  made: digest.nullable(),
  bootId: z.string(),
  /** Milliseconds since that boot at which it was shown. */
  shownUptimeMs: z.number().nullable(),
});

/** How far the first login of this box came. Holds digests of hashes, no password. */
export type CredentialRecord = z.infer<typeof recordSchema>;

/** Makes a password: letters that are typed alike on most keyboards, at least 66 bits, each letter as likely as any other. */
export function newConsolePassword(random: Pick<Random, "bytes">): Secret {
  let text = "";
  const bound = 256 - (256 % LETTERS.length);
  while (text.length < LENGTH) {
    for (const byte of random.bytes(LENGTH)) {
      if (byte < bound && text.length < LENGTH) text += LETTERS[byte % LETTERS.length];
    }
  }
  return new Secret(text);
}

/** An account of the system. `hash` is the second field of shadow(5). */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly shell: string;
  readonly hash: string;
}

/** Reads the accounts of the system. Lines of another form are left away. Throws file/unreadable without the right to. */
export async function readAccounts(files: Pick<Files, "read">, root: string): Promise<readonly Account[]> {
  const rows = async (path: string): Promise<readonly (readonly string[])[]> => {
    const bytes = await files.read(`${root.replace(/\/$/, "")}${path}`, { maxBytes: MAX_ACCOUNTS_BYTES });
    return bytes === undefined
      ? []
      : new TextDecoder()
          .decode(bytes)
          .split("\n")
          .map((line) => line.split(":"));
  };
  const hashes = new Map((await rows("/etc/shadow")).map(([name = "", hash = ""]) => [name, hash]));
  return (await rows("/etc/passwd")).flatMap(([name = "", , uid = "", , , , shell = ""]) => {
    const hash = hashes.get(name);
    return hash === undefined || !/^\d{1,10}$/.test(uid) ? [] : [{ name, uid: Number(uid), shell, hash }];
  });
}

/** The account of a person who can log in with a password of their own, if there is one. */
export function personOf(accounts: readonly Account[]): Account | undefined {
  return accounts.find(
    ({ name, uid, shell, hash }) =>
      name !== CONSOLE_USER && uid >= 1_000 && uid < 60_000 && !/(?:nologin|false)$/.test(shell) && !/^[!*]/.test(hash),
  );
}

/** What is known when it is decided. */
export interface CredentialFacts {
  /** "damaged": there is one, and nobody can read it. */
  readonly record: CredentialRecord | "damaged" | undefined;
  /** The account's hash now. */
  readonly hash: string;
  readonly bootId: string;
  /** The password is still in memory, for the screen. */
  readonly plainHere: boolean;
  readonly claimed: boolean;
  /** A person has an account with a password. */
  readonly hasPerson: boolean;
}

/**
 * `make`: it is to be made, also for a second time when nobody can have seen the first; all others leave everything as it is.
 * `waiting`: made, the screen shows it; `shown`; `used`: the account has a password of its owner's choice; `taken`: it had one
 * before us; `not-needed`: somebody has claimed the box, or has an account.
 */
export type CredentialVerdict = "make" | "waiting" | "shown" | "used" | "taken" | "not-needed";

/** Decides what is to be done for the first login. Pure: the same in all orders of crash, reboot and login. */
export function judgeCredential({ record, hash, bootId, ...facts }: CredentialFacts): CredentialVerdict {
  if (record === "damaged" || record?.state === "shown") return "shown";
  if (record === undefined) {
    if (facts.claimed || facts.hasPerson) return "not-needed";
    return /^[!*]+$/.test(hash) ? "make" : "taken";
  }
  if (record.state === "making") return "make";
  if (record.made !== digestOf(hash)) return "used";
  return record.bootId === bootId && facts.plainHere ? "waiting" : "make";
}

/** Reads the record. Damage is told, because a box whose record is lost must not get a second first login. */
export async function readCredentialRecord(
  files: Pick<Files, "read">,
  path: string,
): Promise<CredentialFacts["record"]> {
  try {
    const bytes = await files.read(path, { maxBytes: MAX_RECORD_BYTES });
    return bytes === undefined ? undefined : recordSchema.parse(parseJson(bytes, { what: "the record of the login" }));
  } catch (thrown) {
    if (isApplianceError(thrown, "file/unreadable")) throw thrown;
    if (thrown instanceof z.ZodError || isApplianceError(thrown)) return "damaged";
    throw thrown;
  }
}

/** Writes the record whole. Throws file/disk-full or file/unwritable. */
export function writeCredentialRecord(
  files: Pick<Files, "write">,
  path: string,
  record: Omit<CredentialRecord, "schema">,
): Promise<void> {
  return files.write(path, `${JSON.stringify({ schema: RECORD_SCHEMA, ...record })}\n`, { mode: 0o600 });
}

/** Reads the password that waits for the screen; undefined when there is none. */
export async function readConsolePassword(deps: Pick<Deps, "files">, path: string): Promise<Secret | undefined> {
  const bytes = await deps.files.read(path, { maxBytes: MAX_RECORD_BYTES });
  const text = bytes === undefined ? "" : new TextDecoder().decode(bytes).trim();
  return text === "" ? undefined : new Secret(text);
}
