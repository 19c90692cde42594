/**
 * One install code, traded by one request: its key is on disk before the request is made, and the same one until its answer is.
 *
 * What comes back is the caller's to keep before it does anything else. Code and answer are in no message and no log.
 *
 * @see docs/adr/0008-install-code-request.md
 */
import { z } from "zod";
import { type Digest, digestOf, isDigest } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { Secret } from "../core/secret.ts";
import type { SecretName } from "../operation/store.ts";
import { applianceId } from "../status/identity.ts";
import type { Claim, License } from "./license.ts";
import type { SetupDeps } from "./ports.ts";

type RedeemDeps = Pick<SetupDeps, "store" | "random" | "license" | "machine" | "kube">;

/** That an install code was, or is about to be, sent to the license service. */
const requestSchema = z.object({ key: z.string().regex(/^[0-9A-Za-z-]{1,64}$/), code: z.custom<Digest>(isDigest) });

/**
 * Redeems a code. Safe to be killed anywhere and to call again: a service that knows the key gives its answer again.
 *
 * @param to.request Where the record of the request is kept; the caller removes it when the answer is used.
 * @throws {ApplianceError} setup/license-rejected, setup/license-unavailable, as the license service; kube/ errors.
 */
export async function redeemCode(
  deps: RedeemDeps,
  code: string,
  to: { readonly request: SecretName; readonly signal: AbortSignal },
): Promise<License> {
  const id = await applianceId(deps, to.signal);
  const request = await requestFor(deps, code, to.request);
  try {
    return await deps.license.redeem({ code: new Secret(code), applianceId: id, ...request }, to.signal);
  } catch (thrown) {
    // This was its answer: if the same code is given again, no answer of before is missing.
    if (isApplianceError(thrown, "setup/license-rejected") && !request.isRepeated)
      await deps.store.removeSecret(to.request);
    throw thrown;
  }
}

/** By this a code is known without being kept. */
export function codeDigest(code: string): Digest {
  return digestOf(new TextEncoder().encode(code));
}

/** With another code it is another request. A record that cannot be read was one, so the request counts as repeated. */
async function requestFor(
  { store, random }: Pick<RedeemDeps, "store" | "random">,
  code: string,
  name: SecretName,
): Promise<Pick<Claim, "requestKey" | "isRepeated">> {
  const text = await store.readSecret(name);
  const parsed = text === undefined ? undefined : requestSchema.safeParse(jsonOrNothing(text));
  const digest = codeDigest(code);
  if (parsed?.success === true && parsed.data.code === digest) return { requestKey: parsed.data.key, isRepeated: true };
  const requestKey = random.uuid();
  await store.writeSecret(name, JSON.stringify({ key: requestKey, code: digest }));
  return { requestKey, isRepeated: parsed !== undefined && !parsed.success };
}

function jsonOrNothing(text: string): unknown {
  try {
    return parseJson(text, { what: "record of the install request" });
  } catch {
    return undefined;
  }
}
