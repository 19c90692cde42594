/**
 * The Kubernetes objects that setup writes itself: namespaces and the Secrets of the application.
 *
 * Pure: answers and release in, objects out. Names and keys are contracts with the application.
 *
 * @see interfaces.md section 5; reference/host-service.md section 6.3
 */
import type { KubeObject } from "../kube/model.ts";
import type { License } from "./license.ts";
import type { SetupInputs } from "./model.ts";
import { PASSWORD_ALGORITHM, type PasswordHash } from "./password-hash.ts";

export const APP_NAMESPACE = "msp";
const SYSTEM_NAMESPACE = "alga-system";
export const SHARED_SECRET = "alga-psa-shared";
export const TENANT_SECRET = "appliance-initial-tenant";
export const LICENSE_SECRET = "appliance-license-seed";

const LABELS = { "app.kubernetes.io/part-of": "alga-appliance" };

/** Namespaces that must be there before anything of ours; what the bundle adds to them later is the bundle's. */
export function namespaces(): readonly KubeObject[] {
  return [APP_NAMESPACE, SYSTEM_NAMESPACE].map((name) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: LABELS },
  }));
}

/** A Secret of text values; base64 is only its form. */
export function secretObject(name: string, values: Readonly<Record<string, string>>): KubeObject {
  const data = Object.entries(values).map(([key, value]) => [key, Buffer.from(value, "utf8").toString("base64")]);
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: APP_NAMESPACE, labels: LABELS },
    type: "Opaque",
    data: Object.fromEntries(data),
  };
}

/** The text values of a Secret as the API server shows it. */
export function secretValues(object: KubeObject | undefined): Readonly<Record<string, string>> {
  const data = object?.data;
  if (typeof data !== "object" || data === null) return {};
  const values = Object.entries(data).map(([key, value]) => [
    key,
    Buffer.from(String(value), "base64").toString("utf8"),
  ]);
  return Object.fromEntries(values);
}

/** The password's part of the initial-tenant Secret. */
export function passwordValues(hash: PasswordHash): Readonly<Record<string, string>> {
  return {
    INITIAL_ADMIN_PASSWORD_HASH: hash.text,
    INITIAL_ADMIN_PASSWORD_ALGORITHM: PASSWORD_ALGORITHM,
    INITIAL_ADMIN_PASSWORD_ITERATIONS: String(hash.iterations),
    INITIAL_ADMIN_PASSWORD_KEY_LENGTH: String(hash.keyBytes),
  };
}

/** The hash that a Secret holds, undefined when it holds none. */
export function hashOf(values: Readonly<Record<string, string>>): PasswordHash | undefined {
  const text = values.INITIAL_ADMIN_PASSWORD_HASH;
  const [iterations, keyBytes] = [values.INITIAL_ADMIN_PASSWORD_ITERATIONS, values.INITIAL_ADMIN_PASSWORD_KEY_LENGTH];
  if (text === undefined || values.INITIAL_ADMIN_PASSWORD_ALGORITHM !== PASSWORD_ALGORITHM) return undefined;
  return { text, iterations: Number(iterations), keyBytes: Number(keyBytes) };
}

/** The initial-tenant Secret. @param password What `passwordValues` gives, or the plain form that a release asks for. */
export function tenantSecret(
  inputs: SetupInputs,
  password: Readonly<Record<string, string>>,
  tenantId: string | undefined,
): KubeObject {
  return secretObject(TENANT_SECRET, {
    INITIAL_TENANT_NAME: inputs.tenantName,
    INITIAL_ADMIN_FIRST_NAME: inputs.adminFirstName,
    INITIAL_ADMIN_LAST_NAME: inputs.adminLastName,
    INITIAL_ADMIN_EMAIL: inputs.adminEmail,
    ...password,
    ...(tenantId === undefined || tenantId === "" ? {} : { INITIAL_TENANT_ID: tenantId }),
  });
}

/** Keys of the license seed; empty ones are left out. */
export function licenseValues(
  edition: SetupInputs["editionChoice"],
  license: Partial<License>,
): Readonly<Record<string, string>> {
  const values = {
    EDITION_CHOICE: edition,
    INSTALL_EDITION: license.installEdition ?? "",
    LICENSE_TOKEN: license.token ?? "",
    APPLIANCE_ID: license.applianceId ?? "",
    APPLIANCE_CREDENTIAL: license.credential ?? "",
    CHECK_IN_URL: license.checkInUrl ?? "",
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
}
