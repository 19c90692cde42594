/** The questions of the text wizard as data: the same fields and the same rules as on the page. Pure. */
import { brokenPasswordRules } from "../core/password-policy.ts";
import type { AnswerDocument, WizardConfig } from "./console-client.ts";
import { answersSchema } from "./model.ts";

/** Names of answers, as the API has them. */
export type WizardField = Exclude<keyof typeof answersSchema.shape, "adminPasswordConfirm">;

/** One question. */
export interface WizardQuestion {
  readonly field: WizardField;
  /** Above the questions of one part. */
  readonly part: string;
  readonly title: string;
  readonly help: string;
  readonly secret?: boolean;
  /** Typed twice. */
  readonly twice?: boolean;
  /** May be left empty. */
  readonly optional?: boolean;
  readonly choices?: (config: WizardConfig) => readonly string[];
  /** What Enter takes where nothing was answered yet. */
  readonly fallback?: (config: WizardConfig) => string;
  /** Asked only then. */
  readonly when?: (answers: AnswerDocument, config: WizardConfig) => boolean;
}

const isEnterprise = (answers: AnswerDocument): boolean => answers.editionChoice !== "ce";

export const WIZARD_QUESTIONS: readonly WizardQuestion[] = [
  {
    field: "channel",
    part: "Release",
    title: "Channel to follow",
    help: "The box installs what this channel names, and offers its updates.",
    choices: ({ channels }) => channels.map(({ name }) => name),
    fallback: ({ channels }) => channels[0]?.name ?? "stable",
  },
  {
    field: "releaseRef",
    part: "Release",
    title: "A certain version or digest",
    help: "Such as 1.0.3. Empty: what the channel names.",
    optional: true,
  },
  {
    field: "acceptExpired",
    part: "Release",
    title: "Take the publisher's expired word until",
    help:
      "What the publisher signed of its channels has expired: it may be old, or somebody holds newer releases back. Empty: wait until " +
      "it is fresh. A day such as 2026-12-31: take it until then, on a box that cannot reach the publisher.",
    optional: true,
    when: ({ acceptExpired }, { channelsProblem }) =>
      channelsProblem?.code === "trust/expired" || (acceptExpired ?? "") !== "",
  },
  {
    field: "appHostname",
    part: "Address",
    title: "Address people will open",
    help: "Such as https://psa.example.com. The name must lead to this box.",
    fallback: ({ network }) =>
      network.addresses[0] === undefined ? "" : `http://${bracketed(network.addresses[0])}:3000`,
  },
  {
    field: "dnsMode",
    part: "Address",
    title: "Name servers",
    help: "system: those of this box. custom: you name them.",
    choices: () => ["system", "custom"],
    fallback: () => "system",
  },
  {
    field: "dnsServers",
    part: "Address",
    title: "Addresses of the name servers",
    help: "Up to three, with commas: 192.0.2.53, 192.0.2.54.",
    fallback: ({ network }) => network.resolvers.join(","),
    when: ({ dnsMode }) => dnsMode === "custom",
  },
  { field: "tenantName", part: "Organisation", title: "Name of the organisation", help: "As customers know it." },
  {
    field: "adminFirstName",
    part: "Organisation",
    title: "First name of the administrator",
    help: "Who logs in first.",
  },
  { field: "adminLastName", part: "Organisation", title: "Last name of the administrator", help: "Who logs in first." },
  {
    field: "adminEmail",
    part: "Organisation",
    title: "Email address of the administrator",
    help: "The name to log in with.",
  },
  {
    field: "adminPassword",
    part: "Organisation",
    title: "Password of the administrator",
    help: "At least 8 characters: lower case, upper case, a digit and a sign.",
    secret: true,
    twice: true,
  },
  {
    field: "editionChoice",
    part: "Edition",
    title: "Edition",
    help: "ee: enterprise, with an install code or a license key. ce: community.",
    choices: () => ["ee", "ce"],
    fallback: () => "ee",
  },
  {
    field: "installCode",
    part: "Edition",
    title: "Install code",
    help: "As the email shows it. Empty: none, or you have a license key.",
    secret: true,
    optional: true,
    when: isEnterprise,
  },
  {
    field: "licenseKey",
    part: "Edition",
    title: "License key",
    help: "Paste it whole. Empty: none; it can be given later.",
    secret: true,
    optional: true,
    when: (answers, { secretsKept }) =>
      isEnterprise(answers) && (answers.installCode ?? "") === "" && !secretsKept.includes("installCode"),
  },
];

/** The question of a field. Other names of fields, such as that of the repeated password, have none. */
export function questionOf(field: string): WizardQuestion | undefined {
  return WIZARD_QUESTIONS.find((one) => one.field === field);
}

/** What is wrong with an answer, as the page would say it; undefined: it can be used. */
export function answerProblem(question: WizardQuestion, typed: string, config: WizardConfig): string | undefined {
  const { field, optional = false, secret = false } = question;
  const isKept = config.secretsKept.includes(field);
  if (typed === "" && (optional || isKept)) return undefined;
  if (field === "adminPassword") return passwordProblem(typed);
  if (typed === "" && secret) return `Write ${question.title.toLowerCase()}.`;
  if (field === "dnsServers" && typed === "") return "Write at least one name server, such as 192.0.2.53.";
  const choices = question.choices?.(config) ?? [];
  if (field !== "channel" && choices.length > 0 && !choices.includes(typed)) return `Choose ${choices.join(" or ")}.`;
  const parsed = answersSchema.shape[field].safeParse(typed);
  return parsed.success ? undefined : (parsed.error.issues[0]?.message ?? "Write it another way.");
}

/** What is wrong with a new password; undefined: it can be used. Never holds the password. */
export function passwordProblem(typed: string): string | undefined {
  const broken = brokenPasswordRules(typed);
  return broken.length === 0 ? undefined : broken.map(({ text }) => text).join(" ");
}

function bracketed(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
