/**
 * The management password as it lies on disk: a scrypt hash with its parameters, in `admin-credential.json`.
 *
 * Hashing runs beside the event loop and at most two at a time, because each takes 32 MiB and a core. The password is
 * never stored, logged or part of an error.
 */
import { createHash, scrypt, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import { toInstant } from "../core/time.ts";

export const CREDENTIAL_SCHEMA = "alga.appliance.admin-credential/v1";

/** `OWASP Password Storage Cheat Sheet`, 2025: scrypt with N=2^15, r=8, p=3 or stronger in memory; p is 3. */
const COST = { N: 2 ** 15, r: 8, p: 3, keyLength: 64 } as const;
const SALT_BYTES = 16;
const MAX_FILE_BYTES = 16 * 1024;
const MAX_AT_ONCE = 2;
const MAX_WAITING = 16;

/** Bounds keep a damaged file from costing gigabytes. */
const credentialSchema = z.object({
  schema: z.literal(CREDENTIAL_SCHEMA),
  algorithm: z.literal("scrypt"),
  N: z.union([2 ** 14, 2 ** 15, 2 ** 16, 2 ** 17].map((cost) => z.literal(cost))),
  r: z.int().min(1).max(16),
  p: z.int().min(1).max(8),
  salt: z.string().regex(/^(?:[0-9a-f]{2}){16,64}$/),
  hash: z.string().regex(/^(?:[0-9a-f]{2}){32,128}$/),
  createdAt: z.string(),
});

export type Credential = z.infer<typeof credentialSchema>;

/** What the file says: no password yet, a password, or damage, which is not the same as none. */
export type CredentialState =
  | { readonly state: "none" }
  | { readonly state: "set"; readonly credential: Credential; readonly id: string }
  | { readonly state: "unusable"; readonly problem: ApplianceError };

/** Reads the credential. Damage is returned, not thrown, and is never taken for "none". */
export async function readCredential(files: Deps["files"], path: string): Promise<CredentialState> {
  try {
    const bytes = await files.read(path, { maxBytes: MAX_FILE_BYTES });
    if (bytes === undefined) return { state: "none" };
    const credential = credentialSchema.parse(parseJson(bytes, { what: "the management credential" }));
    return { state: "set", credential, id: idOf(credential) };
  } catch (cause) {
    return { state: "unusable", problem: unusable(path, cause) };
  }
}

export interface PasswordHasher {
  /** @throws {ApplianceError} http/busy when too many wait already. */
  make(password: Secret): Promise<Credential>;
  /** Compares in constant time. @throws {ApplianceError} http/busy. */
  matches(password: Secret, credential: Credential): Promise<boolean>;
}

/** Makes a hasher; its bound of two at a time and sixteen waiting holds for this one, so a process makes one. */
export function createPasswordHasher(deps: Pick<Deps, "random" | "clock">): PasswordHasher {
  const turns = createTurns();
  return {
    make: async (password) => {
      const salt = Buffer.from(deps.random.bytes(SALT_BYTES));
      const hash = await turns(() => derive(password, { ...COST, salt }));
      return {
        schema: CREDENTIAL_SCHEMA,
        algorithm: "scrypt",
        N: COST.N,
        r: COST.r,
        p: COST.p,
        salt: salt.toString("hex"),
        hash: hash.toString("hex"),
        createdAt: toInstant(deps.clock.now()),
      };
    },
    matches: async (password, credential) => {
      const wanted = Buffer.from(credential.hash, "hex");
      const salt = Buffer.from(credential.salt, "hex");
      const { N, r, p } = credential;
      return timingSafeEqual(await turns(() => derive(password, { N, r, p, salt, keyLength: wanted.length })), wanted);
    },
  };
}

interface Derivation {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly keyLength: number;
}

function derive(password: Secret, cost: Derivation): Promise<Buffer> {
  const { N, r, p } = cost;
  // Room for the 128*N*r bytes of the algorithm and its small change.
  const maxmem = 128 * N * r + 128 * r * p + 1024 * 1024;
  return new Promise((resolve, reject) => {
    scrypt(password.reveal().normalize("NFC"), cost.salt, cost.keyLength, { N, r, p, maxmem }, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

/** Runs work in turns, a few at once, with a bounded queue. */
function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= MAX_AT_ONCE) {
      if (waiting.length >= MAX_WAITING) {
        throw new ApplianceError("http/busy", "Cannot check the password: too many checks wait, come back in a minute");
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

/** A short name of a credential, for sessions; says nothing about the password. */
function idOf(credential: Credential): string {
  return createHash("sha256").update(`${credential.salt}:${credential.hash}`).digest("hex").slice(0, 32);
}

function unusable(path: string, cause: unknown): ApplianceError {
  return new ApplianceError(
    "session/credential-unusable",
    `Cannot read the management credential "${path}": it is damaged, so nobody can log in until it is set again`,
    {
      cause,
      hint: "On the box, move the file away and run: alga-appliance host init-token; then open the setup address with that token",
    },
  );
}
