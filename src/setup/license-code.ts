/**
 * An install code for an appliance that is set up: traded once for a license, which is then applied like a key.
 *
 * What the code brought is on the disk (0600), named by the code's digest, before anything else happens, and stays there until
 * it stands in the cluster. A run that is cancelled or refused after the trade loses nothing: the same code, given again, is not
 * asked for again.
 *
 * @see reference/host-service.md sections 10.2 and 12; docs/adr/0008-install-code-request.md
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { parseJson } from "../core/json.ts";
import { type StepResult, stepError } from "../operation/step.ts";
import type { StepCall } from "./context.ts";
import { type License, licenseSchema } from "./license.ts";
import { APP_NAMESPACE, LICENSE_SECRET, licenseValues, secretValues, TENANT_SECRET } from "./objects.ts";
import type { SetupDeps } from "./ports.ts";
import { codeDigest, redeemCode } from "./redeem.ts";

const keptSchema = z.object({ code: z.custom<Digest>(isDigest), license: licenseSchema });
const valuesSchema = z.record(z.string(), z.string());

type SeedValues = Readonly<Record<string, string>>;

/**
 * Trades the code of this run and lays out what the later steps take: the key, and the whole license seed as it shall be. Without
 * a code there is nothing to do. Safe to be killed anywhere and to call again.
 *
 * @throws {ApplianceError} setup/license-rejected, also when the code is of another organisation; setup/license-unavailable.
 */
export async function redeemStep({ context, signal }: StepCall): Promise<StepResult> {
  const { deps } = context;
  const { store } = deps;
  const code = await store.readSecret("new-install-code");
  if (code === undefined) return { state: "skipped", detail: "The key is here" };
  const license = (await licenseOfCode(deps, code)) ?? (await trade(deps, code, signal));
  await refuseOtherTenant(deps, license, signal);
  const seed = { ...(await seedInCluster(deps, signal)), ...licenseValues("ee", license) };
  await store.writeSecret("new-license-seed", JSON.stringify(seed));
  await store.writeSecret("new-license-key", license.token);
  await store.removeSecret("new-install-code");
  return { state: "done", detail: `A license of edition ${license.installEdition}` };
}

/** What this code brought in an earlier run and has not been used; undefined when nothing is kept of it. */
export async function licenseOfCode({ store }: Pick<SetupDeps, "store">, code: string): Promise<License | undefined> {
  const kept = await keptLicense({ store });
  return kept?.code === codeDigest(code) ? kept.license : undefined;
}

/** Whether what a code brought is what this key is of. */
export async function isOfCode({ store }: Pick<SetupDeps, "store">, key: string): Promise<boolean> {
  return (await keptLicense({ store }))?.license.token === key;
}

/** Removes what the code of a key brought, once it stands in the cluster. What another code brought stays. Safe to call again. */
export async function forgetCodeOf({ store }: Pick<SetupDeps, "store">, key: string): Promise<void> {
  if (!(await isOfCode({ store }, key))) return;
  await store.removeSecret("new-install-request");
  await store.removeSecret("new-license");
}

/** A whole license seed that is kept on the disk; undefined when there is none. */
export async function keptSeed(
  { store }: Pick<SetupDeps, "store">,
  name: "new-license-seed" | "former-license-seed",
): Promise<SeedValues | undefined> {
  const text = await store.readSecret(name);
  return text === undefined ? undefined : valuesSchema.parse(parseJson(text, { what: "kept license seed" }));
}

/** The values of the license seed in the cluster; empty when there is none. */
export async function seedInCluster(deps: Pick<SetupDeps, "kube">, signal: AbortSignal): Promise<SeedValues> {
  return valuesOf(deps, LICENSE_SECRET, signal);
}

/** The organisation of this appliance; undefined where setup was not told, as without an install code. */
export async function tenantInCluster(deps: Pick<SetupDeps, "kube">, signal: AbortSignal): Promise<string | undefined> {
  const { INITIAL_TENANT_ID } = await valuesOf(deps, TENANT_SECRET, signal);
  return INITIAL_TENANT_ID === "" ? undefined : INITIAL_TENANT_ID;
}

async function valuesOf({ kube }: Pick<SetupDeps, "kube">, name: string, signal: AbortSignal): Promise<SeedValues> {
  return secretValues(await kube.get({ apiVersion: "v1", kind: "Secret", namespace: APP_NAMESPACE, name }, { signal }));
}

async function keptLicense({ store }: Pick<SetupDeps, "store">): Promise<z.infer<typeof keptSchema> | undefined> {
  const text = await store.readSecret("new-license");
  try {
    return text === undefined ? undefined : keptSchema.parse(parseJson(text, { what: "redeemed license" }));
  } catch {
    // The code is asked for again then, by the same request: a service that knows it gives the answer again.
    return undefined;
  }
}

async function trade(deps: SetupDeps, code: string, signal: AbortSignal): Promise<License> {
  const license = await redeemCode(deps, code, { request: "new-install-request", signal });
  await deps.store.writeSecret("new-license", JSON.stringify({ code: codeDigest(code), license }));
  return license;
}

/** The service tells the organisation with its answer and not before, so the code is used up by then. */
async function refuseOtherTenant(deps: SetupDeps, license: License, signal: AbortSignal): Promise<void> {
  const tenant = await tenantInCluster(deps, signal);
  if (tenant === undefined || tenant === license.tenantId) return;
  // The record first: killed in between, the answer is still here and is refused again.
  for (const name of ["new-install-request", "new-license", "new-install-code"] as const)
    await deps.store.removeSecret(name);
  throw stepError({
    code: "setup/license-rejected",
    message: "Cannot use the install code: it belongs to another organisation",
    hint: `Nothing was changed, but the code is used up. Ask for a new one for this organisation, and name "${license.applianceId}"`,
    retrySafe: false,
    fields: ["installCode"],
    evidence: [],
  });
}
