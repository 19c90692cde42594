/** The documents that the mock box shows. Pure. */
import type { ApplianceStatus, OperationView, State } from "../../ui/state/wire.ts";

const DIGEST = `sha256:c6e1${"0".repeat(56)}8b6f`;

export const CHANNELS = [
  { name: "stable", version: "1.0.3", digest: DIGEST, publishedAt: "2026-11-09T10:00:00Z", verifiedBy: "none" },
  {
    name: "nightly",
    version: "1.1.0-nightly.4",
    digest: DIGEST,
    publishedAt: "2026-11-21T02:00:00Z",
    verifiedBy: "none",
  },
];

const STEPS = [
  ["preflight", "Check the box"],
  ["storage", "Prove the storage"],
  ["flux", "Install Flux"],
  ["release", "Read the release"],
  ["namespaces", "Create the namespaces"],
  ["values", "Write the values"],
  ["secrets", "Write the secrets"],
  ["selection", "Record the release"],
  ["source", "Point Flux at the release"],
  ["reconcile", "Start the application"],
  ["tenant", "Create the first tenant"],
  ["login", "Open the login page"],
] as const;

export function newOperation(): OperationView {
  return {
    id: "0001-setup",
    kind: "setup",
    state: "running",
    step: "preflight",
    steps: STEPS.map(([id, title]) => ({ id, title, state: "pending", detail: null, startedAt: null, endedAt: null })),
    progress: { done: 0, total: STEPS.length, unit: "steps" },
    startedAt: new Date().toISOString(),
    endedAt: null,
    problem: null,
  };
}

const NAMES = ["alga-core", "pgbouncer", "temporal", "temporal-worker", "workflow-worker", "email-service"];

function tier(state: State, reason: string, since: string | null = null): ApplianceStatus["tiers"]["platform"] {
  return { state, reason, since };
}

export function initialStatus(): ApplianceStatus {
  const waits = "Nothing is installed yet.";
  return {
    schema: "alga.appliance.status/v1",
    observedAt: new Date().toISOString(),
    generation: 1,
    appliance: { id: "appliance-1", name: "box-7f3a", version: "0.1.0", addresses: ["192.168.10.20"], rehearsal: true },
    release: null,
    phase: "setup",
    summary: { state: "unknown", message: "This box waits for its setup", next: "Open the setup page" },
    tiers: {
      platform: tier("progressing", "Kubernetes answers; Flux is not installed."),
      core: tier("unknown", waits),
      bootstrap: tier("unknown", waits),
      login: tier("unknown", waits),
      background: tier("unknown", waits),
      full: tier("unknown", waits),
    },
    checks: [],
    components: [],
    operation: null,
    urls: { login: null, setup: null },
  };
}

export function readyStatus(): ApplianceStatus {
  const since = new Date(Date.now() - 41 * 86_400_000).toISOString();
  return {
    ...initialStatus(),
    phase: "running",
    release: { channel: "stable", version: "1.0.3", digest: DIGEST, verifiedBy: "none" },
    summary: { state: "ready", message: "Everything works", next: null },
    tiers: {
      platform: tier("ready", "Kubernetes, Flux and the configuration source are ready.", since),
      core: tier("ready", "Database, cache and pooler answer.", since),
      bootstrap: tier("ready", "The first tenant was created.", since),
      login: tier("ready", "The login page answers in 38 ms.", since),
      background: tier("ready", "Workers and e-mail are running.", since),
      full: tier(
        "ready",
        "The login page answered 6 seconds ago. Release 1.0.3 is the newest in the stable channel.",
        since,
      ),
    },
    components: NAMES.map((name) => ({
      name,
      namespace: "msp",
      tier: "login",
      state: "ready",
      version: "62cdce38",
      message: "Ready",
    })),
    urls: { login: "https://psa.example.com/", setup: null },
    host: healthyHost(),
  };
}

function healthyHost(): NonNullable<ApplianceStatus["host"]> {
  const observedAt = new Date().toISOString();
  const fullAt = new Date(Date.now() + 275 * 86_400_000).toISOString();
  return {
    disks: [{ path: "/", freeBytes: 77e9, totalBytes: 118e9, fullAt }],
    memory: { totalBytes: 16e9, availableBytes: 9.8e9 },
    clock: { skewMs: 0, against: "registry.example", observedAt },
    registry: { host: "registry.example", state: "answers", tookMs: 84, observedAt },
  };
}

export function failingStatus(): ApplianceStatus {
  const ready = readyStatus();
  const since = new Date(Date.now() - 4 * 60_000).toISOString();
  return {
    ...ready,
    summary: {
      state: "failed",
      message: "People cannot log in: one image of release 1.0.3 is missing",
      next: "The platform and the database are fine. The application waits for an image that the registry does not have.",
    },
    tiers: {
      ...ready.tiers,
      login: tier("failed", "The login page does not answer.", since),
      background: tier("unknown", "Waits for the application."),
      full: tier("failed", "Login failed", since),
    },
    checks: [
      {
        code: "image/not-found",
        tier: "login",
        state: "failed",
        title: "The image alga-psa-ee:62cdce38 does not exist in the registry.",
        cause:
          "Pod msp/alga-core-sebastian-7d9c has waited 4 minutes for it; all other images of this release were found.",
        evidence: [
          {
            ref: "Pod msp/alga-core-sebastian-7d9c",
            text: "manifest for ghcr.io/nine-minds/alga-psa-ee:62cdce38 not found: manifest unknown",
          },
        ],
        next: "Go back to release 1.0.2, or choose a release whose images are complete.",
        retrySafe: false,
        since,
      },
    ],
    components: ready.components.map((component, index) => {
      if (index === 0) return { ...component, state: "failed", message: "Image missing" };
      return index === 3 || index === 4
        ? { ...component, state: "unknown", message: "Waits for alga-core" }
        : component;
    }),
  };
}

export function statusDuring(status: ApplianceStatus, operation: OperationView): ApplianceStatus {
  if (operation.state === "done") return { ...readyStatus(), operation, generation: status.generation + 1 };
  return {
    ...status,
    generation: status.generation + 1,
    observedAt: new Date().toISOString(),
    phase: operation.state === "blocked" ? "blocked" : "installing",
    release: { channel: "stable", version: "1.0.3", digest: DIGEST, verifiedBy: "none" },
    summary: { state: "progressing", message: "Installing release 1.0.3", next: null },
    operation,
  };
}

export interface WrongAnswer {
  readonly field: string;
  readonly code: string;
  readonly detail: string;
}

export function wrongAnswers(
  body: Readonly<Record<string, string>>,
  options: { readonly needsPassword: boolean },
): readonly WrongAnswer[] {
  const wrong = (field: string, detail: string): WrongAnswer => ({ field, code: "wrong", detail });
  const missing = ["appHostname", "tenantName", "adminFirstName", "adminLastName", "adminEmail"]
    .filter((field) => body[field] === undefined)
    .map((field) => wrong(field, "This answer is missing. Type it."));
  return [
    ...missing,
    ...(body.appHostname === "psa.example.con"
      ? [wrong("appHostname", "psa.example.con is not known to your DNS. Did you mean psa.example.com?")]
      : []),
    ...(body.dnsMode === "custom" && body.dnsServers === undefined
      ? [wrong("dnsServers", "Type one to three addresses.")]
      : []),
    ...(body.adminEmail !== undefined && !body.adminEmail.includes("@")
      ? [wrong("adminEmail", "Write an address such as name@example.com.")]
      : []),
    ...(options.needsPassword && body.adminPassword === undefined
      ? [wrong("adminPassword", "Type the password of the administrator.")]
      : []),
    ...((body.adminPassword ?? "") === (body.adminPasswordConfirm ?? "")
      ? []
      : [wrong("adminPasswordConfirm", "The two passwords are different.")]),
  ];
}

export function planOf(body: Readonly<Record<string, string>>): object {
  return {
    digest: "sha256:plan",
    release: { version: "1.0.3", digest: DIGEST, channel: body.channel ?? null, verifiedBy: "none" },
    steps: STEPS.map(([id, title]) => ({ id, title, about: title })),
    downloads: NAMES.map((name, index) => ({
      name,
      reference: `registry.example/charts/${name}@${DIGEST}`,
      sizeBytes: 3e7 + index * 3.1e8,
    })),
    totalBytes: 1_900_000_000,
    changes: [
      { kind: "Namespace", namespace: null, name: "msp", action: "create" },
      { kind: "OCIRepository", namespace: "flux-system", name: "alga-appliance", action: "create" },
    ],
    expectedMs: 640_000,
    warnings: [],
  };
}
