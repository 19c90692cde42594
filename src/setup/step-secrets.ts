/**
 * The step "secrets": the Secrets that the application starts with.
 *
 * Each is made once. A key that is in the cluster is read and kept; an install code is redeemed once, by a request whose key
 * is on disk before it, and what it gave is on disk before anything else happens; the password leaves the disk when the cluster has its hash. Safe to be killed
 * anywhere and to call again.
 */
import { ApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { Secret } from "../core/secret.ts";
import type { StepResult } from "../operation/step.ts";
import type { SecretName } from "../operation/store.ts";
import { answersOf, releaseOf, type StepCall } from "./context.ts";
import { type License, licenseSchema } from "./license.ts";
import type { SetupInputs } from "./model.ts";
import {
  APP_NAMESPACE,
  hashOf,
  LICENSE_SECRET,
  licenseValues,
  passwordValues,
  SHARED_SECRET,
  secretObject,
  secretValues,
  TENANT_SECRET,
  tenantSecret,
} from "./objects.ts";
import { hashPassword, isHashOf } from "./password-hash.ts";
import { redeemCode } from "./redeem.ts";

type Values = Readonly<Record<string, string>>;

/** Bytes of the key by which the application signs its sessions. */
const AUTH_KEY_BYTES = 32;
/** Secrets on disk that this step uses up. */
const USED: readonly SecretName[] = ["admin-password", "install-code", "install-request", "license-key", "license"];

/**
 * Creates the Secrets of the application, the administrator and the license, and takes what was used up from the disk.
 *
 * @throws {ApplianceError} setup/step-failed without a password, setup/license-rejected, setup/license-unavailable.
 */
export async function secretsStep(call: StepCall): Promise<StepResult> {
  const inputs = await answersOf(call.context);
  await sharedKey(call);
  // Nothing is told before this: a line being written is one more moment to die between the redeeming and its record.
  const license = await licenseOf(call, inputs);
  call.progress("The administrator");
  await tenant(call, inputs, license);
  await licenseSeed(call, inputs, license);
  for (const name of USED) await call.context.deps.store.removeSecret(name);
  return { state: "done", detail: inputs.editionChoice === "ee" ? "Enterprise edition" : "Community edition" };
}

/** Creates ALGA_AUTH_KEY where there is none. An existing key is never changed: it would end all sessions. */
async function sharedKey({ context, signal }: StepCall): Promise<void> {
  const { kube, random } = context.deps;
  const existing = await readValues({ context, signal }, SHARED_SECRET);
  if (existing.ALGA_AUTH_KEY !== undefined && existing.ALGA_AUTH_KEY !== "") return;
  const key = Buffer.from(random.bytes(AUTH_KEY_BYTES)).toString("base64url");
  await kube.apply(secretObject(SHARED_SECRET, { ...existing, ALGA_AUTH_KEY: key }), { signal });
}

type KubeCall = Pick<StepCall, "context" | "signal">;

async function readValues({ context, signal }: KubeCall, name: string): Promise<Values> {
  const ref = { apiVersion: "v1", kind: "Secret", namespace: APP_NAMESPACE, name };
  return secretValues(await context.deps.kube.get(ref, { signal }));
}

/** What is known of the license: redeemed before, redeemed now, a key, or nothing. */
async function licenseOf({ context, signal }: StepCall, inputs: SetupInputs): Promise<Partial<License>> {
  const { store } = context.deps;
  if (inputs.editionChoice !== "ee") return {};
  const redeemed = await store.readSecret("license");
  if (redeemed !== undefined) return licenseSchema.parse(parseJson(redeemed, { what: "redeemed license" }));
  const code = await store.readSecret("install-code");
  if (code === undefined) return { token: (await store.readSecret("license-key")) ?? "" };
  const result = await redeemCode(context.deps, code, { request: "install-request", signal });
  await store.writeSecret("license", JSON.stringify(result));
  await store.removeSecret("install-code");
  return result;
}

async function tenant(step: StepCall, inputs: SetupInputs, license: Partial<License>): Promise<void> {
  const existing = await readValues(step, TENANT_SECRET);
  const password = await passwordPart(step, existing);
  const tenantId = license.tenantId ?? existing.INITIAL_TENANT_ID;
  await step.context.deps.kube.apply(tenantSecret(inputs, password, tenantId), { signal: step.signal });
}

/** The password as this release wants it. A hash in the cluster that fits is kept; without a password on disk it stays. */
async function passwordPart(step: StepCall, existing: Values): Promise<Values> {
  const { store, random } = step.context.deps;
  const text = await store.readSecret("admin-password");
  const { manifest } = await releaseOf(step);
  const kept = hashOf(existing);
  const plain = existing.INITIAL_ADMIN_PASSWORD;
  if (text === undefined) {
    if (kept !== undefined) return passwordValues(kept);
    if (plain !== undefined) return { INITIAL_ADMIN_PASSWORD: plain };
    throw noPassword();
  }
  if (manifest.tenantSecret === "plaintext") return { INITIAL_ADMIN_PASSWORD: text };
  const password = new Secret(text);
  const fits = kept !== undefined && (await isHashOf(kept, password));
  return passwordValues(fits ? kept : await hashPassword(random, password, step.context.settings.passwordIterations));
}

function noPassword(): ApplianceError {
  return new ApplianceError("setup/step-failed", "Cannot create the administrator: the password is not kept any more", {
    hint: "Choose a password for the administrator again",
    details: { fields: ["adminPassword"], retrySafe: false },
  });
}

/** Adds to the license seed and takes nothing from it: a credential that was given once cannot be asked for again. */
async function licenseSeed(step: StepCall, inputs: SetupInputs, license: Partial<License>): Promise<void> {
  const existing = await readValues(step, LICENSE_SECRET);
  const values = { ...existing, ...licenseValues(inputs.editionChoice, license) };
  await step.context.deps.kube.apply(secretObject(LICENSE_SECRET, values), { signal: step.signal });
}
