/**
 * The operator's answers: one schema, one error per field that says what to write instead.
 *
 * Answers come from the wizard or from a file and are untrusted until `validateAnswers` has accepted them. Secrets leave
 * the document there and are carried as `Secret`; the rest is kept on disk and shown again.
 */
import { z } from "zod";
import { isDigest } from "../core/digest.ts";
import { isIpAddress } from "../core/ip.ts";
import { brokenPasswordRules } from "../core/password-policy.ts";
import { Secret } from "../core/secret.ts";
import { parseInstant, toInstant } from "../core/time.ts";
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
export function asText(value: unknown): unknown {
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

/** Host of the kept address, with its port where it has one. */
export function appHost(inputs: Pick<SetupInputs, "appHostname">): string {
  return new URL(inputs.appHostname).host;
}
