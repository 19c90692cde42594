/**
 * The license service of a rehearsal: trades any install code once for a license that is worth nothing.
 *
 * It keeps to the contract of the real one: the same request key is given the same answer again, a code that another request
 * has used is refused, the code EXPIRED plays one that came too late, ANOTHER one of another organisation, and
 * FORGED one that brings a key which the application refuses. It forgets everything when the rehearsal ends.
 *
 * @see reference/host-service.md section 12
 */
import { z } from "zod";
import type { Fetch } from "../core/ports.ts";

/** Where the rehearsed appliance believes the service to be; nobody has this name. @see RFC 6761 section 6.4 */
export const LICENSE_HOST = "license.invalid";

const bodySchema = z.object({ claim_code: z.string(), appliance_id: z.string() });

/** Opens a service that has given nothing yet. */
export function createRehearsedLicenses(): Fetch {
  const usedBy = new Map<string, string>();
  return async (request) => {
    const parsed = bodySchema.safeParse(await request.json().catch(() => undefined));
    if (!parsed.success) return refuse("invalid_claim_code", 400);
    // People write a code with blanks and hyphens; the service knows it without.
    const code = parsed.data.claim_code.replaceAll(/[\s-]/g, "");
    if (code === "EXPIRED") return refuse("expired_claim_code", 410);
    const key = request.headers.get("idempotency-key") ?? "";
    const user = usedBy.get(code);
    if (user !== undefined && (user !== key || key === "")) return refuse("consumed_claim_code", 409);
    usedBy.set(code, key);
    const first_jwt = `rehearsal.rehearsal.${code === "FORGED" ? "forged" : "rehearsal"}`;
    return Response.json({
      tenant_id: code === "ANOTHER" ? "another" : "rehearsal",
      edition: "enterprise",
      first_jwt,
      appliance_credential: "rehearsal",
    });
  };
}

function refuse(code: string, status: number): Response {
  return Response.json({ code }, { status });
}
