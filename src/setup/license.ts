/**
 * The license service: an install code is traded, once, for the license of this appliance.
 *
 * The code is used up by the first answer, so whoever calls saves the result before anything else. Code and result are
 * secrets: they stand in no message and no log. The answer is untrusted and bounded.
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
   * Redeems an install code.
   *
   * @throws {ApplianceError} setup/license-rejected when the code is unknown, expired or used: `details.fields` says
   *   which answer to correct.
   * @throws {ApplianceError} setup/license-unavailable when the service does not answer, or not as it should.
   */
  redeem(code: Secret, applianceId: string, signal: AbortSignal): Promise<License>;
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
};

export function createLicenseService(
  deps: { readonly clock: Pick<Clock, "after"> },
  options: LicenseOptions,
): LicenseService {
  return {
    redeem: async (code, applianceId, signal) => {
      if (options.url === undefined || options.url === "") throw unavailable("no license service is set");
      const request = new Request(`${options.url.replace(/\/$/, "")}/register`, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify({ claim_code: code.reveal(), appliance_id: applianceId }),
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
      return licenseOf(answer, applianceId);
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

function licenseOf({ status, body }: Answer, applianceId: string): License {
  const code = isPlainObject(body) && typeof body.code === "string" ? body.code : "";
  const rejection = Object.hasOwn(REJECTIONS, code) ? REJECTIONS[code] : undefined;
  if (rejection !== undefined) throw rejected(rejection);
  const parsed = status >= 200 && status < 300 ? answerSchema.safeParse(body) : undefined;
  if (parsed === undefined || !parsed.success) throw unavailable(`it answers ${status} without a license`);
  const answer = parsed.data;
  const edition = answer.edition === "premium" ? "pro" : answer.edition;
  return {
    tenantId: answer.tenant_id,
    installEdition: edition === undefined || edition === null || edition === "" ? "essentials" : edition,
    token: answer.first_jwt ?? "",
    applianceId,
    credential: answer.appliance_credential ?? "",
    checkInUrl: answer.check_in_url ?? "",
  };
}

function rejected(why: string): ApplianceError {
  return new ApplianceError("setup/license-rejected", `Cannot use the install code: ${why}`, {
    hint: "Ask for a new install code, and write it into the wizard",
    details: { fields: ["installCode"], retrySafe: false },
  });
}

function unavailable(why: string, cause?: unknown): ApplianceError {
  return new ApplianceError("setup/license-unavailable", `Cannot redeem the install code: ${why}`, {
    cause,
    hint: "Allow this machine to reach the license service, or install with a license key",
    details: { fields: ["installCode", "licenseKey"] },
  });
}
