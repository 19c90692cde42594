/**
 * The license service: an install code is traded, once, for the license of this appliance.
 *
 * The code is used up by the first answer, so whoever calls saves a key of its request before it, and the result before
 * anything else. A service that knows the key gives its answer again when the first one was lost; one that does not says
 * that the code is used, and the operator is told by whom. Code and result are secrets: they stand in no message and no
 * log. The answer is untrusted and bounded.
 *
 * @see IETF draft-ietf-httpapi-idempotency-key-header-06 (the header), host-service reference section 12 (the request)
 */
import { z } from "zod";
import { withDeadline } from "../core/deadline.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import type { Clock, Fetch } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";

/** 64 KiB: a license is a few kilobytes. */
const MAX_ANSWER_BYTES = 64 * 1024;
const TIMEOUT_MS = 20_000;

const text = (max: number) => z.string().min(1).max(max);

/** What the service gives for a code. Empty fields count as absent. */
const answerSchema = z.looseObject({
  tenant_id: text(200),
  edition: z.string().max(60).nullish(),
  first_jwt: z.string().max(16_384).nullish(),
  appliance_credential: z.string().max(4_096).nullish(),
  check_in_url: z.string().max(2_048).nullish(),
});

/** A redeemed license as it is kept until the cluster has it. */
export const licenseSchema = z.object({
  tenantId: z.string(),
  installEdition: z.string(),
  token: z.string(),
  applianceId: z.string(),
  credential: z.string(),
  checkInUrl: z.string(),
});

export type License = z.infer<typeof licenseSchema>;

export interface LicenseService {
  /**
   * Redeems an install code. Safe to call again with the same key.
   *
   * @throws {ApplianceError} setup/license-rejected when the code is unknown, expired or used: `details.fields` says
   *   which answer to correct.
   * @throws {ApplianceError} setup/license-unavailable when the service does not answer, or not as it should.
   */
  redeem(claim: Claim, signal: AbortSignal): Promise<License>;
}

export interface Claim {
  readonly code: Secret;
  readonly applianceId: string;
  /** Names this request and all its repetitions to the service. Not secret. */
  readonly requestKey: string;
  /** A request with this key may have reached the service before, and its answer was not kept. */
  readonly isRepeated: boolean;
}

export interface LicenseOptions {
  readonly fetch: Fetch;
  /** "https://license.example.com"; absent: no service is set. */
  readonly url: string | undefined;
}

const REJECTIONS: Readonly<Record<string, string>> = {
  invalid_claim_code: "it is not known",
  expired_claim_code: "it has expired",
  consumed_claim_code: "it has been used already",
  superseded_claim_code: "a newer one has taken its place",
  tenant_mismatch: "it belongs to another organisation",
};

/** Makes the client of the license service. Without an address each call says that none is set. */
export function createLicenseService(
  deps: { readonly clock: Pick<Clock, "after"> },
  options: LicenseOptions,
): LicenseService {
  return {
    redeem: async (claim, signal) => {
      if (options.url === undefined || options.url === "") throw noService();
      const request = new Request(`${options.url.replace(/\/$/, "")}/register`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json",
          "idempotency-key": `"${claim.requestKey}"`,
        },
        body: JSON.stringify({ claim_code: claim.code.reveal(), appliance_id: claim.applianceId }),
        redirect: "manual",
        signal,
      });
      const answer = await withDeadline(deps.clock, TIMEOUT_MS, {
        what: "the license service",
        parent: signal,
        work: () => exchange(options.fetch, request),
      }).catch((thrown: unknown) => {
        if (signal.aborted || isApplianceError(thrown, "setup/license-unavailable")) throw thrown;
        throw unavailable("it cannot be reached", thrown);
      });
      return licenseOf(answer, claim);
    },
  };
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function exchange(fetch: Fetch, request: Request): Promise<Answer> {
  const response = await fetch(request);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > MAX_ANSWER_BYTES) throw unavailable("its answer is too long");
    parts.push(part);
  }
  try {
    return {
      status: response.status,
      body: parseJson(Buffer.concat(parts), { what: "answer of the license service" }),
    };
  } catch (cause) {
    throw unavailable(`it answers ${response.status} with something that is not JSON`, cause);
  }
}

function refuseRejection({ body }: Answer, claim: Claim): void {
  const code = isPlainObject(body) && typeof body.code === "string" ? body.code : "";
  if (code === "consumed_claim_code" && claim.isRepeated) throw lost(claim.requestKey);
  const rejection = Object.hasOwn(REJECTIONS, code) ? REJECTIONS[code] : undefined;
  if (rejection !== undefined) throw rejected(rejection);
}

function licenseOf({ status, body }: Answer, claim: Claim): License {
  refuseRejection({ status, body }, claim);
  const parsed = status >= 200 && status < 300 ? answerSchema.safeParse(body) : undefined;
  if (parsed === undefined || !parsed.success) throw unavailable(`it answers ${status} without a license`);
  const answer = parsed.data;
  const edition = answer.edition === "premium" ? "pro" : answer.edition;
  return {
    tenantId: answer.tenant_id,
    installEdition: edition === undefined || edition === null || edition === "" ? "essentials" : edition,
    token: answer.first_jwt ?? "",
    applianceId: claim.applianceId,
    credential: answer.appliance_credential ?? "",
    checkInUrl: answer.check_in_url ?? "",
  };
}

function rejected(why: string): ApplianceError {
  return new ApplianceError("setup/license-rejected", `Cannot use the install code: ${why}`, {
    hint: "Ask for a new install code, and give that one",
    details: { fields: ["installCode"], retrySafe: false },
  });
}

/** The service has traded the code to us, but what it gave did not reach our disk. */
function lost(requestKey: string): ApplianceError {
  return new ApplianceError(
    "setup/license-rejected",
    `Cannot use the install code: request "${requestKey}" of this appliance has used it, and the answer was lost when that was interrupted`,
    {
      hint: "Ask for a new install code, name this request, and give the new code",
      details: { fields: ["installCode"], retrySafe: false },
    },
  );
}

/** Waiting helps nothing here. */
function noService(): ApplianceError {
  return new ApplianceError("setup/license-unavailable", "Cannot redeem the install code: no license service is set", {
    hint: "Set license.url, or use a license key",
    details: { fields: ["installCode", "licenseKey"], retrySafe: false },
  });
}

function unavailable(why: string, cause?: unknown): ApplianceError {
  return new ApplianceError("setup/license-unavailable", `Cannot redeem the install code: ${why}`, {
    cause,
    hint: "Allow this machine to reach the license service, or use a license key",
    details: { fields: ["installCode", "licenseKey"] },
  });
}
