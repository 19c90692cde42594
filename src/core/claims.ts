/**
 * Who claimed the box and who tried to later, as it lies in `claims.json`: the console and the page show it.
 *
 * The box has one claim in its life. A second try is refused, and told: whoever stands at the box must learn of it.
 */
import { z } from "zod";
import { parseJson } from "./json.ts";
import type { Files } from "./ports.ts";

/** Tries that are remembered; the claim itself stays, of the refused ones the newest. */
export const MAX_CLAIMS = 20;
const MAX_FILE_BYTES = 256 * 1024;

const claimSchema = z.object({
  /** RFC 3339. */
  at: z.string().max(40),
  /** Address of the other side. */
  peer: z.string().max(64),
  /** Over TLS. */
  secure: z.boolean(),
  outcome: z.enum(["claimed", "refused"]),
});

/** The file; written by the control plane alone. */
export const claimsFileSchema = z.object({
  schema: z.literal("alga.appliance.claims/v1"),
  claims: z.array(claimSchema).max(MAX_CLAIMS),
});

export type ClaimRecord = z.infer<typeof claimSchema>;
export type ClaimsFile = z.infer<typeof claimsFileSchema>;

/** Reads what is known, oldest first; empty when there is nothing or it cannot be read: it is news, not a lock. */
export async function readClaims(files: Pick<Files, "read">, path: string): Promise<readonly ClaimRecord[]> {
  try {
    const bytes = await files.read(path, { maxBytes: MAX_FILE_BYTES });
    return bytes === undefined ? [] : claimsFileSchema.parse(parseJson(bytes, { what: path })).claims;
  } catch {
    return [];
  }
}
