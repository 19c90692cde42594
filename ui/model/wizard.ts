/** The wizard as data: its steps, their addresses, the answers each asks for. Pure. */
import type { Answers, FieldName, SecretAnswers } from "../state/wire.ts";
import type { PlainKey } from "../strings.ts";

export type StepId = "welcome" | "release" | "address" | "organisation" | "review" | "install";

export interface WizardStep {
  readonly id: StepId;
  readonly path: string;
  readonly name: PlainKey;
  /** Answers asked for here. */
  readonly fields: readonly FieldName[];
}

export const WIZARD: readonly WizardStep[] = [
  { id: "welcome", path: "/setup", name: "step.welcome", fields: [] },
  { id: "release", path: "/setup/release", name: "step.release", fields: ["channel", "releaseRef", "acceptExpired"] },
  { id: "address", path: "/setup/address", name: "step.address", fields: ["appHostname", "dnsMode", "dnsServers"] },
  {
    id: "organisation",
    path: "/setup/organisation",
    name: "step.organisation",
    fields: [
      "tenantName",
      "adminFirstName",
      "adminLastName",
      "adminEmail",
      "adminPassword",
      "adminPasswordConfirm",
      "editionChoice",
      "installCode",
      "licenseKey",
    ],
  },
  { id: "review", path: "/setup/review", name: "step.review", fields: [] },
  { id: "install", path: "/setup/install", name: "step.install", fields: [] },
];

/** Place of a step, from 0. */
export function indexOfStep(id: StepId): number {
  return WIZARD.findIndex((step) => step.id === id);
}

/** The step of an address; undefined where the wizard has none. */
export function stepOfPath(path: string): WizardStep | undefined {
  return WIZARD.find((step) => step.path === path);
}

/** The step that asks for a field, so that "correct the answer" leads there. */
export function stepOfField(field: string): WizardStep | undefined {
  return WIZARD.find((step) => (step.fields as readonly string[]).includes(field));
}

/** Address of the step after this one; the welcome page after the last. */
export function nextPath(id: StepId): string {
  return WIZARD[indexOfStep(id) + 1]?.path ?? "/setup";
}

/** Address of the step before this one; the welcome page before the first. */
export function previousPath(id: StepId): string {
  return WIZARD[indexOfStep(id) - 1]?.path ?? "/setup";
}

/** The answers of all steps up to one: what the box is asked to check when that step is left. */
export function fieldsUpTo(id: StepId): readonly FieldName[] {
  return WIZARD.slice(0, indexOfStep(id) + 1).flatMap((step) => step.fields);
}

/** Without these the review cannot begin. The box checks the rest. */
const NEEDED: readonly (keyof Answers)[] = [
  "channel",
  "appHostname",
  "tenantName",
  "adminFirstName",
  "adminLastName",
  "adminEmail",
];

/** The first step with an answer missing, or undefined when the review may begin. */
export function firstOpenStep(answers: Answers): WizardStep | undefined {
  const missing = NEEDED.find((field) => answers[field].trim() === "");
  return missing === undefined ? undefined : stepOfField(missing);
}

/** Tells whether the administrator's password must be typed (again): the page never keeps it over a reload. */
export function passwordMissing(secrets: SecretAnswers, kept: readonly string[]): boolean {
  return secrets.adminPassword === "" && !kept.includes("adminPassword");
}
