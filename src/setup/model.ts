/**
 * The operator's answers: one schema, one error per field that says what to write instead.
 *
 * Answers come from the wizard or from a file and are untrusted until `validateAnswers` has accepted them. Secrets leave
 * the document there and are carried as `Secret`; the rest is kept on disk and shown again.
 */
import { z } from "zod";
import { isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { FieldProblem } from "../core/http.ts";
import { isIpAddress } from "../core/ip.ts";
import { isPlainObject } from "../core/json.ts";
import { brokenPasswordRules } from "../core/password-policy.ts";
import { Secret } from "../core/secret.ts";
import { parseInstant, toInstant } from "../core/time.ts";
import { nameServersOf } from "../release/answered-registry.ts";
import { readVersion } from "../release/version.ts";
import { parseAppUrl } from "./app-url.ts";

export const ANSWERS_SCHEMA = "alga.appliance.answers/v1";
/** Name servers that a resolver looks at. @see resolv.conf(5), MAXNS */
const MAX_NAME_SERVERS = 3;

type Refuse = (code: string, detail: string) => never;

/** A field that reads text into its kept form; `read` refuses with a code and what to write instead. */
function field<T>(read: (text: string, refuse: Refuse) => T) {
  return z.preprocess(asText, z.string()).transform((text, context): T => {
    const refuse: Refuse = (code, message) => {
      context.addIssue({ code: "custom", message, params: { code } });
      return z.NEVER;
    };
    return read(text.trim(), refuse);
  });
}

/** Lists are as good as text with commas, and an absent answer is an empty one. */
function asText(value: unknown): unknown {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return String(value);
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value.join(",") : value;
}

/** A name that stands in a Secret and on screens. */
function nameField(what: string) {
  return field((text, refuse) => {
    if (text === "") return refuse("missing", `Write ${what}.`);
    if (text.length > 200) return refuse("too-long", `Write ${what} with at most 200 characters.`);
    if (/\p{Cc}/u.test(text)) return refuse("character", `Write ${what} without line breaks or control characters.`);
    return text;
  });
}

function secretField(check: (text: string, refuse: Refuse) => string) {
  return field((text, refuse) => (text === "" ? undefined : new Secret(check(text, refuse))));
}

const password = z.preprocess(asText, z.string()).transform((text, context): Secret | undefined => {
  if (text === "") return undefined;
  const broken = brokenPasswordRules(text);
  if (broken.length === 0) return new Secret(text);
  context.addIssue({ code: "custom", message: broken.map((rule) => rule.text).join(" "), params: { code: "weak" } });
  return z.NEVER;
});

/** JSON names of interfaces.md section 3; the output is the kept form. */
export const answersSchema = z.object({
  /** Tag of the release to follow. Empty: stable. */
  channel: field((text, refuse) => {
    if (text === "") return "stable";
    if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(text)) return text;
    return refuse("invalid", "Write the name of a channel, such as stable.");
  }),
  /** Installs exactly this instead of the channel: a version or a digest. Empty: the channel. */
  releaseRef: field((text, refuse) => {
    if (text === "" || isDigest(text) || readVersion(text) !== undefined) return text;
    return refuse("invalid", "Write a version such as 1.0.3, or a digest: sha256: and 64 hex digits.");
  }),
  /** A decision: until when expired metadata of channels is good all the same. Empty: never. */
  acceptExpired: field((text, refuse) => {
    const until = text === "" ? undefined : parseInstant(text);
    if (until !== undefined) return toInstant(until);
    return text === "" ? text : refuse("invalid", "Write an instant such as 2026-12-31T00:00:00Z, or leave it empty.");
  }),
  /** The address people open. */
  appHostname: field((text, refuse) => {
    if (text === "") return refuse("missing", "Write the address people will open, such as https://psa.example.com.");
    const parsed = parseAppUrl(text);
    return "url" in parsed ? parsed.url : refuse(parsed.code, parsed.detail);
  }),
  dnsMode: field((text, refuse) => {
    if (text === "" || text === "system") return "system" as const;
    return text === "custom" ? text : refuse("invalid", "Choose system or custom.");
  }),
  /** Name servers for custom DNS, separated by commas. */
  dnsServers: field((text, refuse) => {
    const servers = text.split(/[\s,;]+/).filter(Boolean);
    const wrong = servers.find((server) => !isIpAddress(server));
    if (wrong !== undefined)
      return refuse("invalid", `Write IP addresses such as 192.0.2.53; "${wrong.slice(0, 60)}" is none.`);
    if (servers.length > MAX_NAME_SERVERS) return refuse("too-many", `Write at most ${MAX_NAME_SERVERS} name servers.`);
    return servers.join(",");
  }),
  tenantName: nameField("the name of the organisation"),
  adminFirstName: nameField("the first name of the administrator"),
  adminLastName: nameField("the last name of the administrator"),
  /** Kept in lower case: the login compares it so. */
  adminEmail: field((text, refuse) => {
    if (text === "") return refuse("missing", "Write the email address of the administrator.");
    if (
      text.length <= 254 &&
      /^[^\s@<>(),;:"\\[\]]{1,64}@(?:[^\s@.,;:()<>"\\[\]]+\.)+[^\s@.,;:()<>"\\[\]]{2,}$/.test(text)
    )
      return text.toLowerCase();
    return refuse("invalid", "Write an email address such as admin@example.com.");
  }),
  adminPassword: password,
  adminPasswordConfirm: z.preprocess(asText, z.string()),
  editionChoice: field((text, refuse) => {
    if (text === "" || text === "ee") return "ee" as const;
    return text === "ce" ? text : refuse("invalid", "Choose ee (enterprise) or ce (community).");
  }),
  licenseKey: secretField((text, refuse) => {
    if (text.length <= 8_192 && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return text;
    return refuse("invalid", "Paste the whole license key: three parts with a dot between them.");
  }),
  /** Kept in upper case; used once. */
  installCode: secretField((text, refuse) => {
    const code = text.toUpperCase();
    return /^[A-Z0-9][A-Z0-9 -]{2,62}[A-Z0-9]$/.test(code)
      ? code
      : refuse("invalid", "Write the install code as the email shows it, such as K7QPM2RX.");
  }),
});

type Parsed = z.output<typeof answersSchema>;
const SECRET_FIELDS = ["adminPassword", "licenseKey", "installCode"] as const;

/** The answers without secrets, in their kept form. */
export type SetupInputs = Omit<Parsed, (typeof SECRET_FIELDS)[number] | "adminPasswordConfirm" | "acceptExpired"> & {
  /** RFC 3339. Absent where nothing was decided, so that answers of before keep their digest. */
  readonly acceptExpired?: string | undefined;
};
export type SetupSecrets = { readonly [K in (typeof SECRET_FIELDS)[number]]?: Secret };

export interface ValidAnswers {
  readonly inputs: SetupInputs;
  readonly secrets: SetupSecrets;
}

/** Shape of the kept answers on disk. */
export const inputsSchema = z.object({
  channel: z.string(),
  releaseRef: z.string(),
  acceptExpired: z.string().optional(),
  appHostname: z.string(),
  dnsMode: z.enum(["system", "custom"]),
  dnsServers: z.string(),
  tenantName: z.string(),
  adminFirstName: z.string(),
  adminLastName: z.string(),
  adminEmail: z.string(),
  editionChoice: z.enum(["ee", "ce"]),
});

export const answersDocumentSchema = z.object({
  schema: z.literal(ANSWERS_SCHEMA),
  /** RFC 3339. */
  submittedAt: z.string(),
  answers: inputsSchema,
});

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
  const parsed = addressSchema.safeParse(isPlainObject(value) ? value : {});
  if (!parsed.success) throw invalid(firstPerField(parsed.error.issues.map(toProblem)));
  return parsed.data.appHostname;
}

const licenseKeySchema = answersSchema.pick({ licenseKey: true });

/**
 * Reads a license key alone, as it stands in the answers.
 *
 * @param value `{licenseKey}`, untrusted.
 * @throws {ApplianceError} setup/invalid-answers; the key is in no message.
 */
export function readLicenseKey(value: unknown): Secret {
  const parsed = licenseKeySchema.safeParse(isPlainObject(value) ? value : {});
  if (!parsed.success) throw invalid(firstPerField(parsed.error.issues.map(toProblem)));
  if (parsed.data.licenseKey !== undefined) return parsed.data.licenseKey;
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
  const parsed = installCodeSchema.safeParse(isPlainObject(value) ? value : {});
  if (!parsed.success) throw invalid(firstPerField(parsed.error.issues.map(toProblem)));
  const { installCode, licenseKey } = parsed.data;
  if (licenseKey !== undefined)
    throw invalid([
      { field: "installCode", code: "both", detail: "Give the install code or the license key, not both." },
    ]);
  if (installCode !== undefined) return new Secret(installCode.reveal().replaceAll(/[\s-]/g, ""));
  throw invalid([{ field: "installCode", code: "missing", detail: "Write the install code." }]);
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

/** Host of the kept address, with its port where it has one. */
export function appHost(inputs: Pick<SetupInputs, "appHostname">): string {
  return new URL(inputs.appHostname).host;
}
