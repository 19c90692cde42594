/**
 * Reads answers, whole or one field of them, from untrusted values: one problem for each wrong field, in the order of the wizard.
 *
 * Secrets come out as such and stand in no message.
 */
import type { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import type { FieldProblem } from "../core/http.ts";
import { isPlainObject } from "../core/json.ts";
import { Secret } from "../core/secret.ts";
import { nameServersOf } from "../release/answered-registry.ts";
import { answersSchema, asText, type SetupInputs, type SetupSecrets } from "./model.ts";

export interface ValidAnswers {
  readonly inputs: SetupInputs;
  readonly secrets: SetupSecrets;
}

export interface ValidateOptions {
  /** The password may be absent: only a plan is wanted, or it is kept already. */
  readonly passwordOptional?: boolean;
}

/**
 * Reads answers from an untrusted value.
 *
 * @throws {ApplianceError} setup/invalid-answers with one entry per wrong field in `details.errors`, in the order of the
 *   wizard.
 */
export function validateAnswers(value: unknown, options: ValidateOptions = {}): ValidAnswers {
  if (!isPlainObject(value))
    throw invalid([{ field: "answers", code: "invalid", detail: "Write the answers as an object." }]);
  const parsed = answersSchema.safeParse(withOldNames(value));
  const errors = parsed.success ? [] : parsed.error.issues.map(toProblem);
  errors.push(...crossProblems(value, options).filter((one) => !errors.some((other) => other.field === one.field)));
  if (!parsed.success || errors.length > 0) throw invalid(firstPerField(errors));
  const { adminPassword, licenseKey, installCode, adminPasswordConfirm: _confirm, ...given } = parsed.data;
  const { acceptExpired, ...inputs } = given;
  const isEnterprise = inputs.editionChoice === "ee";
  return {
    inputs: {
      ...inputs,
      dnsServers: inputs.dnsMode === "custom" ? inputs.dnsServers : "",
      ...(acceptExpired === "" ? {} : { acceptExpired }),
    },
    secrets: {
      ...(adminPassword === undefined ? {} : { adminPassword }),
      ...(licenseKey === undefined || !isEnterprise ? {} : { licenseKey }),
      ...(installCode === undefined || !isEnterprise ? {} : { installCode }),
    },
  };
}

/** The part of the answers that names are resolved by. */
export interface NameQuestion {
  /** Undefined: the system's. */
  readonly nameServers: readonly string[] | undefined;
  /** Address of the application in its kept form; undefined when it was not given yet. */
  readonly appUrl: string | undefined;
}

const nameQuestionSchema = answersSchema.pick({ dnsMode: true, dnsServers: true });

/**
 * Reads `dnsMode`, `dnsServers` and, where it is there, `appHostname` from an untrusted value; other fields are not read.
 *
 * @throws {ApplianceError} setup/invalid-answers as `validateAnswers`.
 */
export function validateNameQuestion(value: unknown): NameQuestion {
  if (!isPlainObject(value))
    throw invalid([{ field: "answers", code: "invalid", detail: "Write the answers as an object." }]);
  const isNamed = asText(value.appHostname) !== "";
  const schema = isNamed
    ? nameQuestionSchema.extend({ appHostname: answersSchema.shape.appHostname })
    : nameQuestionSchema;
  // What stands in a field that is not used now is nobody's concern yet.
  const isCustom = asText(value.dnsMode) === "custom";
  const parsed = schema.safeParse(isCustom ? value : { ...value, dnsServers: "" });
  const errors = parsed.success ? [] : parsed.error.issues.map(toProblem);
  const noServers = noNameServers(value);
  if (noServers !== undefined) errors.push(noServers);
  if (!parsed.success || errors.length > 0) throw invalid(firstPerField(errors));
  const { appHostname } = parsed.data as { readonly appHostname?: string };
  return { nameServers: nameServersOf(parsed.data), appUrl: appHostname };
}

const addressSchema = answersSchema.pick({ appHostname: true });

/**
 * Reads `appHostname` alone from an untrusted value, in its kept form; other fields are not read.
 *
 * @throws {ApplianceError} setup/invalid-answers as `validateAnswers`.
 */
export function validateAddress(value: unknown): string {
  return readFields(addressSchema, value).appHostname;
}

const licenseKeySchema = answersSchema.pick({ licenseKey: true });

/**
 * Reads a license key alone, as it stands in the answers.
 *
 * @param value `{licenseKey}`, untrusted.
 * @throws {ApplianceError} setup/invalid-answers; the key is in no message.
 */
export function readLicenseKey(value: unknown): Secret {
  const { licenseKey } = readFields(licenseKeySchema, value);
  if (licenseKey !== undefined) return licenseKey;
  throw invalid([{ field: "licenseKey", code: "missing", detail: "Paste the license key." }]);
}

const installCodeSchema = answersSchema.pick({ installCode: true, licenseKey: true });

/**
 * Reads an install code alone: trimmed, in upper case, without blanks and hyphens.
 *
 * @param value `{installCode}`, untrusted.
 * @throws {ApplianceError} setup/invalid-answers, also when a license key is given beside it; the code is in no message.
 * @see reference/host-service.md section 10.2
 */
export function readInstallCode(value: unknown): Secret {
  const { installCode, licenseKey } = readFields(installCodeSchema, value);
  if (licenseKey !== undefined)
    throw invalid([
      { field: "installCode", code: "both", detail: "Give the install code or the license key, not both." },
    ]);
  if (installCode !== undefined) return new Secret(installCode.reveal().replaceAll(/[\s-]/g, ""));
  throw invalid([{ field: "installCode", code: "missing", detail: "Write the install code." }]);
}

/** Some fields of the answers by themselves. */
function readFields<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(isPlainObject(value) ? value : {});
  if (parsed.success) return parsed.data;
  throw invalid(firstPerField(parsed.error.issues.map(toProblem)));
}

function noNameServers(value: Record<string, unknown>): FieldProblem | undefined {
  if (asText(value.dnsMode) !== "custom" || asText(value.dnsServers) !== "") return undefined;
  return { field: "dnsServers", code: "missing", detail: "Write at least one name server, such as 192.0.2.53." };
}

/** Names that earlier wizards and scripts used. */
function withOldNames(value: Record<string, unknown>): Record<string, unknown> {
  return { ...value, tenantName: value.tenantName ?? value.initialTenantName ?? value.companyName };
}

/** What one field alone cannot tell. */
function crossProblems(value: Record<string, unknown>, options: ValidateOptions): FieldProblem[] {
  const given = (name: string): string => (typeof value[name] === "string" ? value[name].trim() : "");
  const noServers = noNameServers(value);
  const problems: FieldProblem[] = noServers === undefined ? [] : [noServers];
  if (given("adminPassword") === "" && options.passwordOptional !== true) {
    problems.push({ field: "adminPassword", code: "missing", detail: "Choose a password for the administrator." });
  }
  if (value.adminPasswordConfirm !== undefined && value.adminPasswordConfirm !== value.adminPassword) {
    problems.push({ field: "adminPasswordConfirm", code: "different", detail: "Type the same password again." });
  }
  if (given("editionChoice") !== "ce" && given("licenseKey") !== "" && given("installCode") !== "") {
    problems.push({ field: "licenseKey", code: "both", detail: "Give the install code or the license key, not both." });
  }
  return problems;
}

function toProblem(issue: z.core.$ZodIssue): FieldProblem {
  const params = "params" in issue ? issue.params : undefined;
  const code = isPlainObject(params) && typeof params.code === "string" ? params.code : "invalid";
  const isOurs = issue.code === "custom";
  return { field: issue.path.join("."), code, detail: isOurs ? issue.message : "Write text here." };
}

function firstPerField(errors: readonly FieldProblem[]): readonly FieldProblem[] {
  return errors.filter((one, index) => errors.findIndex((other) => other.field === one.field) === index);
}

function invalid(errors: readonly FieldProblem[]): ApplianceError {
  const fields = errors.map((error) => error.field).join(", ");
  return new ApplianceError("setup/invalid-answers", `Cannot use the answers: ${fields} must be corrected`, {
    hint: "Correct the marked fields and send the answers again",
    details: { errors },
  });
}
