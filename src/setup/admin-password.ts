/**
 * A new password for the administrator that setup made, when it was forgotten: who it is, and setting it.
 *
 * The application's own script does it, in a job of the application's image. Who is meant stands in the Secret of setup and
 * is never taken from a request. The password lies on the disk (0600) and in a Secret of the job only while it is needed.
 *
 * @see reference/host-service.md section 11
 */
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import { brokenPasswordRules } from "../core/password-policy.ts";
import { Secret } from "../core/secret.ts";
import { hasEnded } from "../operation/fold.ts";
import type { OperationView } from "../operation/model.ts";
import type { Operations } from "../operation/operations.ts";
import { createProgram, type Program } from "../operation/step.ts";
import { describeReleaseRef } from "../release/resolved.ts";
import { readInstalled } from "../status/installed.ts";
import { ADMIN_PASSWORD_STEPS, removeRemains } from "./admin-password-steps.ts";
import { planRecordSchema, readAnswers } from "./documents.ts";
import { APP_NAMESPACE, secretValues, TENANT_SECRET } from "./objects.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";
import { refOfAnswers } from "./release-of-run.ts";

export interface AdminPasswordView {
  readonly available: boolean;
  /** Whose password it is; null when that is not known. */
  readonly email: string | null;
  /** Why it is not available, one sentence; null when it is. */
  readonly reason: string | null;
}

/** Setting a new password for the first administrator. Bodies are untrusted; the password is never told again. */
export interface AdminPassword {
  view(signal: AbortSignal): Promise<AdminPasswordView>;
  /**
   * Keeps the password and starts the operation; returns when its journal is on disk.
   *
   * @param body `{password, passwordConfirm}`.
   * @throws {ApplianceError} setup/invalid-answers by field, setup/not-done where it is not available, operation/busy.
   */
  start(body: unknown, signal: AbortSignal): Promise<OperationView>;
  /**
   * Takes away now, and after every run that ends, what a cancelled one has left in the cluster and on the disk.
   *
   * @returns Ends it. What could not be removed is logged and tried again after the next run and at the next start.
   */
  keepClean(signal: AbortSignal): () => void;
}

/** A pod starts, the script runs, the pod ends. */
const EXPECTED_MS = 60_000;

const bodySchema = z.object({ password: z.string().max(1_024), passwordConfirm: z.string().max(1_024) });

/** The program of operations of kind "password". */
export function adminPasswordProgram(deps: SetupDeps, settings: SetupSettings): Program {
  return createProgram(ADMIN_PASSWORD_STEPS, async ({ id, plan }) => ({
    operationId: id,
    plan: planRecordSchema.parse(plan),
    deps,
    settings,
  }));
}

/** Puts it together over one set of operations. Reads and writes nothing before the first call. */
export function createAdminPassword(deps: SetupDeps, settings: SetupSettings, operations: Operations): AdminPassword {
  const sweep = async (signal: AbortSignal): Promise<void> => {
    const current = operations.current();
    if (current?.kind !== "password" || !hasEnded(current)) return;
    if ((await deps.store.secretNames()).includes("new-admin-password")) await removeRemains(deps, signal);
  };
  const keepClean = (signal: AbortSignal): (() => void) => {
    const tidy = (): void => {
      sweep(signal).catch((error: unknown) => deps.log.warn("remains of a password reset not removed", { error }));
    };
    tidy();
    return operations.subscribe(({ type }) => (type === "operation" ? tidy() : undefined));
  };
  const view = (signal: AbortSignal): Promise<AdminPasswordView> => lookAt(deps, signal);
  return {
    view,
    keepClean,
    start: async (body, signal) => {
      const password = readPassword(body);
      const { available, reason } = await view(signal);
      if (!available) throw notAvailable(reason ?? "it is not known why");
      await deps.store.writeSecret("new-admin-password", password.reveal());
      try {
        return await operations.start("password", await recordOf(deps, settings));
      } catch (thrown) {
        // A run of this kind that has not ended still needs what it was given; nobody else does.
        const current = operations.current();
        if (current?.kind !== "password" || hasEnded(current)) await deps.store.removeSecret("new-admin-password");
        throw thrown;
      }
    },
  };
}

async function lookAt(deps: SetupDeps, signal: AbortSignal): Promise<AdminPasswordView> {
  const installed = await readInstalled(deps);
  if (installed === undefined || installed.installedAt === null)
    return { available: false, email: null, reason: "Setup has not been completed." };
  const ref = { apiVersion: "v1", kind: "Secret", namespace: APP_NAMESPACE, name: TENANT_SECRET };
  const { INITIAL_ADMIN_EMAIL: email, INITIAL_TENANT_ID: tenant } = secretValues(await deps.kube.get(ref, { signal }));
  if (email === undefined || email === "")
    return { available: false, email: null, reason: "The cluster does not hold who the first administrator is." };
  if (tenant === undefined || tenant === "") {
    const reason =
      "This appliance was set up without an install code, so it does not know the id of the organisation that the administrator belongs to.";
    return { available: false, email, reason };
  }
  return { available: true, email, reason: null };
}

/** @throws {ApplianceError} setup/invalid-answers naming the field; the password is in no message. */
function readPassword(body: unknown): Secret {
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) throw invalid("password", "missing", "Choose a password for the administrator.");
  const { password, passwordConfirm } = parsed.data;
  const broken = brokenPasswordRules(password);
  if (broken.length > 0) throw invalid("password", "weak", broken.map((rule) => rule.text).join(" "));
  if (password !== passwordConfirm) throw invalid("passwordConfirm", "different", "Type the same password again.");
  return new Secret(password);
}

async function recordOf(deps: SetupDeps, settings: SetupSettings): Promise<z.input<typeof planRecordSchema>> {
  const installed = await readInstalled(deps);
  const inputs = await readAnswers(deps.store);
  if (installed === undefined || inputs === undefined) throw notAvailable("setup has not been completed");
  return {
    planDigest: null,
    release: { ref: describeReleaseRef(refOfAnswers(inputs)), digest: installed.digest },
    about: { version: installed.version },
    expectedMs: Math.round(EXPECTED_MS / (settings.pace ?? 1)),
  };
}

function invalid(field: string, code: string, detail: string): ApplianceError {
  return new ApplianceError("setup/invalid-answers", `Cannot use the password: ${field} must be corrected`, {
    hint: "Correct the marked fields and send them again",
    details: { errors: [{ field, code, detail }] },
  });
}

function notAvailable(reason: string): ApplianceError {
  const why = reason.slice(0, 1).toLowerCase() + reason.slice(1).replace(/\.$/, "");
  return new ApplianceError("setup/not-done", `Cannot set the administrator's password: ${why}`, {
    hint: "Ask another administrator of the application to set it there",
  });
}
