/**
 * What was seen last, on the disk: one file for each role, written whole, under a folder of the anchor it started from.
 *
 * Another anchor is another trust: what was seen under the old one counts for nothing. Only this box writes here; who can
 * write as well owns the box. A file that cannot be read counts as not seen, and is logged.
 */
import { join } from "node:path/posix";
import { digestOf, shortDigest } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { ROLE_BYTES, type Role } from "./metadata.ts";
import type { TrustMemory } from "./tuf.ts";

/** Opens the memory of an anchor below a folder, which is made when something is written. */
export function fileMemory(deps: Pick<Deps, "files" | "log">, folder: string, anchor: Uint8Array): TrustMemory {
  const own = join(folder, shortDigest(digestOf(anchor)));
  const pathOf = (role: Role): string => join(own, `${role}.json`);
  return {
    read: async (role) => {
      try {
        return await deps.files.read(pathOf(role), { maxBytes: ROLE_BYTES[role] });
      } catch (error) {
        if (!isApplianceError(error)) throw error;
        deps.log.warn("signed metadata seen last is not readable and passed over", { path: pathOf(role), error });
        return undefined;
      }
    },
    write: async (role, bytes) => {
      await deps.files.makeDirectory(own);
      await deps.files.write(pathOf(role), bytes, { mode: 0o600 });
    },
    forget: (role) => deps.files.remove(pathOf(role)),
  };
}

/** A memory that ends with the process, for publishers: what they trust is the root that they give. */
export function processMemory(): TrustMemory {
  const kept = new Map<Role, Uint8Array>();
  return {
    read: async (role) => kept.get(role),
    write: async (role, bytes) => void kept.set(role, bytes),
    forget: async (role) => void kept.delete(role),
  };
}
