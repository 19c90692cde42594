/**
 * The answers typed so far. They live in this tab's session storage, so reload and back lose nothing; secrets live in
 * memory only, and the box says by name which of them it keeps.
 */
import { createStore } from "./store.ts";
import type { Answers, FieldName, SecretAnswers, SetupConfig } from "./wire.ts";

const KEY = "alga-answers";

const EMPTY: Answers = {
  channel: "",
  releaseRef: "",
  acceptExpired: "",
  appHostname: "",
  dnsMode: "system",
  dnsServers: "",
  tenantName: "",
  adminFirstName: "",
  adminLastName: "",
  adminEmail: "",
  editionChoice: "ee",
};

const NO_SECRETS: SecretAnswers = { adminPassword: "", adminPasswordConfirm: "", licenseKey: "", installCode: "" };

export const answers = createStore<Answers>(EMPTY);
export const secrets = createStore<SecretAnswers>(NO_SECRETS);

/** Takes what this tab typed before, else what the box kept, else the defaults. */
export function startAnswers(config: SetupConfig): void {
  const typed = readKept();
  const first = config.channels[0]?.name ?? "stable";
  answers.set({ ...EMPTY, ...known(config.defaults), ...typed });
  if (answers.get().channel === "") answers.update((now) => ({ ...now, channel: first }));
}

/** Changes one answer. Safe to call on every key stroke. */
export function answer(field: FieldName, value: string): void {
  if (field in NO_SECRETS) {
    secrets.update((now) => ({ ...now, [field]: value }));
    return;
  }
  answers.update((now) => ({ ...now, [field]: value }));
  sessionStorage.setItem(KEY, JSON.stringify(answers.get()));
}

/** Forgets the answers once they are installed. */
export function forgetAnswers(): void {
  sessionStorage.removeItem(KEY);
  secrets.set(NO_SECRETS);
}

/** The document for the box: the fields asked for, empty ones left out, name servers as the box wants them. */
export function toDocument(fields: readonly FieldName[]): Record<string, string> {
  const all: Record<FieldName, string> = { ...answers.get(), ...secrets.get() };
  const entries = fields.map((field) => [field, all[field].trim()] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== ""));
}

function readKept(): Partial<Answers> {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    return typeof kept === "object" && kept !== null ? known(kept) : {};
  } catch {
    return {};
  }
}

/** Keeps the known fields that hold text: the storage may have been written by another version. */
function known(given: object): Partial<Answers> {
  const entries = Object.entries(given).flatMap(([key, value]) => {
    if (!(key in EMPTY)) return [];
    if (Array.isArray(value)) return [[key, value.join(", ")]];
    return typeof value === "string" && value !== "" ? [[key, value]] : [];
  });
  return Object.fromEntries(entries);
}
