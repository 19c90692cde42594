/** What the API answers, as far as the page reads it. Shapes of other rooms are imported as types, never as code. */
import type { OperationView } from "../../src/operation/model.ts";

export type { ClaimRecord } from "../../src/core/claims.ts";
export type { Maintenance } from "../../src/core/maintenance.ts";
export type { OperationStep, OperationView } from "../../src/operation/model.ts";
export type { OpenSession } from "../../src/server/sessions.ts";
export type { AddressPlan as AddressPlanView, AddressView } from "../../src/setup/address.ts";
export type { AdminPasswordView } from "../../src/setup/admin-password.ts";
export type { LicenseFacts } from "../../src/setup/license-claims.ts";
export type { LicensePlan, LicenseView } from "../../src/setup/license-key.ts";
export type { NameServerReport } from "../../src/setup/name-servers.ts";
export type { SetupPlan } from "../../src/setup/plan.ts";
export type { NameAnswer } from "../../src/status/appliance-name.ts";
export type { EventList } from "../../src/status/event-list.ts";
export type { GuideAnswer } from "../../src/status/guide.ts";
export type { HostSample } from "../../src/status/host-history.ts";
export type { Inventory } from "../../src/status/inventory.ts";
export type { LogTail } from "../../src/status/inventory-routes.ts";
export type { ApplianceStatus, Check, Component, HostStatus, State, TierName } from "../../src/status/model.ts";

export interface PasswordPolicy {
  readonly minLength: number;
  readonly rules?: readonly string[];
}

export interface SessionView {
  readonly claimed: boolean;
  readonly authenticated: boolean;
  /** The setup token was taken: the management password may be chosen. */
  readonly tokenAccepted?: boolean;
  /** The stored credential cannot be used, so nobody can log in. */
  readonly problem?: { readonly code: string; readonly message: string; readonly hint: string | null } | null;
  readonly mode: "setup" | "status";
  readonly rehearsal: boolean;
  /** The page came over TLS. */
  readonly secure?: boolean;
  /** The same page over TLS; null where there is none, and over TLS. */
  readonly secureUrl?: string | null;
  readonly passwordPolicy: PasswordPolicy;
}

export interface ChannelOffer {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly publishedAt: string | null;
  readonly verifiedBy: string;
  /** In words, where signed metadata has expired: "timestamp metadata expired 3 days ago". */
  readonly expired?: string;
}

/** The operator's answers without secrets; names of interfaces.md section 3. */
export interface Answers {
  readonly channel: string;
  readonly releaseRef: string;
  /** Until when expired metadata is taken, RFC 3339; empty: not at all. */
  readonly acceptExpired: string;
  readonly appHostname: string;
  readonly dnsMode: "system" | "custom";
  readonly dnsServers: string;
  readonly tenantName: string;
  readonly adminFirstName: string;
  readonly adminLastName: string;
  readonly adminEmail: string;
  readonly editionChoice: "ee" | "ce";
}

/** Answers that never leave the memory of the page except to the box. */
export interface SecretAnswers {
  readonly adminPassword: string;
  readonly adminPasswordConfirm: string;
  readonly licenseKey: string;
  readonly installCode: string;
}

export type FieldName = keyof Answers | keyof SecretAnswers;

export interface SetupConfig {
  readonly mode: "setup" | "status";
  readonly rehearsal: boolean;
  readonly defaults: Partial<Answers>;
  readonly secretsKept: readonly string[];
  readonly network: { readonly addresses: readonly string[]; readonly resolvers: readonly string[] };
  readonly channels: readonly ChannelOffer[];
  readonly registry: string;
  /** Why there are no channels, or why what is shown is old. */
  readonly channelsProblem: { readonly code: string; readonly message: string; readonly hint?: string } | null;
  readonly passwordPolicy: PasswordPolicy;
  readonly operation: OperationView | null;
}

/** `GET /api/rehearsal`: only in a rehearsal. */
export interface RehearsalView {
  readonly scenario: string | null;
  readonly scenarios: readonly ScenarioView[];
}

export interface ScenarioView {
  readonly name: string;
  readonly title: string;
  /** What the operator will meet. */
  readonly about: string;
  /** What mends it on a real box. */
  readonly mend: string;
}

export interface JournalEntry {
  readonly at: string;
  readonly [key: string]: unknown;
}

export interface OperationDetail {
  readonly operation: OperationView;
  readonly journal: readonly JournalEntry[];
}

/** What a deed answers that goes on as an operation. */
export interface StartedView {
  readonly operation: OperationView;
}
