/** Updates of the mock box: one release is offered, one update went well, one was taken back. */
import { type Digest, parseDigest } from "../../src/core/digest.ts";
import type { UpdatePlan, UpdatesView } from "../../ui/state/update-wire.ts";
import { type MockAnswer, type MockCallBody, refusal } from "./mock-answers.ts";

const digestOf = (letter: string): Digest => parseDigest(`sha256:${letter.repeat(64)}`);
const DIGESTS = { now: digestOf("a"), next: digestOf("b"), before: digestOf("c") };
const KEY = "9".repeat(64);
const EXPIRED = refusal(502, {
  code: "trust/expired",
  detail: "Cannot trust timestamp metadata: it expired 3 days ago, a fresh one is wanted",
});
const NOT_PAUSABLE = refusal(409, {
  code: "operation/not-pausable",
  detail: 'Cannot pause operation "0002-update": it is at the step "Judge the release"',
});
const ago = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();

export interface MockUpdates {
  answer(route: string, body: MockCallBody): MockAnswer | undefined;
  /** Changes what is answered from now on. */
  change(next: Partial<UpdatesView>): void;
  /** The next start is refused with this. */
  refuseStart(code: string, details?: object): void;
  /** The run is at a step that must reach its end: pausing is refused. */
  refusePause(): void;
  changePlan(next: Partial<UpdatePlan>): void;
  /** The metadata of the channels has expired: plans are refused until a body decides to take it. */
  expire(): void;
  /** Bodies of starts. */
  readonly started: readonly MockCallBody[];
}

export function createMockUpdates(): MockUpdates {
  let view = offeredView();
  let plan = samplePlan();
  let refused: MockAnswer | undefined;
  let isExpired = false;
  let paused: "no" | "asked" | "yes" | "never" = "no";
  const started: MockCallBody[] = [];
  const start = (body: MockCallBody): MockAnswer => {
    started.push(body);
    const answer = refused;
    refused = undefined;
    return answer ?? { status: 202, value: { operation: { ...updateOperation() } } };
  };
  return {
    started,
    change: (next) => {
      view = { ...view, ...next };
    },
    expire: () => {
      isExpired = true;
    },
    changePlan: (next) => {
      plan = { ...plan, ...next };
    },
    refuseStart: (code, details) => {
      refused = refusal(409, { code, detail: "Cannot start the update: the plan is another one now", details });
    },
    refusePause: () => {
      paused = "never";
    },
    answer(route, body) {
      switch (route) {
        case "GET /api/updates":
        case "POST /api/updates/check":
          return { status: 200, value: view };
        case "GET /api/operations/0004-settings":
        case "GET /api/operations/0002-update":
          return { status: 200, value: { operation: updateOperation(paused), journal: [] } };
        case "POST /api/operations/0002-update/pause":
          if (paused === "never") return NOT_PAUSABLE;
          paused = paused === "asked" ? "yes" : "asked";
          return { status: 202, value: { operation: updateOperation(paused) } };
        case "POST /api/operations/0002-update/resume":
          paused = "no";
          return { status: 202, value: { operation: updateOperation(paused) } };
        case "POST /api/updates/policy":
          view = { ...view, policy: body as unknown as UpdatesView["policy"] };
          return { status: 200, value: view };
        case "POST /api/updates/plan":
          if (isExpired && body.acceptExpired === undefined) return EXPIRED;
          return body.version === "9.9.9"
            ? refusal(400, { code: "oci/not-found", detail: 'Cannot read release "9.9.9": there is none' })
            : { status: 200, value: plan };
        case "POST /api/updates":
        case "POST /api/updates/rollback":
          return start(body);
        default:
          return undefined;
      }
    },
  };
}

function updateOperation(paused = "no"): object {
  return {
    ...(paused === "asked" ? { pausing: true } : {}),
    ...{
      id: "0002-update",
      kind: "update",
      state: paused === "yes" ? "paused" : "running",
      step: "pull",
      startedAt: ago(1),
      endedAt: null,
    },
    ...{ progress: { done: 0, total: 2, unit: "steps" }, problem: null },
    steps: [
      { id: "pull", title: "Fetch release 1.1.0", state: "running", startedAt: ago(1), endedAt: null, detail: null },
      { id: "judge", title: "Judge the release", state: "pending", startedAt: null, endedAt: null, detail: null },
    ],
  };
}

function offeredView(): UpdatesView {
  const now = { version: "1.0.3", digest: DIGESTS.now };
  const fetched = { parts: 2_000_000, images: 398_000_000, present: 4 };
  const before = { version: "1.0.2", digest: DIGESTS.before };
  return {
    installed: { ...now, channel: "stable", installedAt: ago(3_000) },
    channel: { name: "stable", state: "offered", checkedAt: ago(4), problem: null },
    offered: { version: "1.1.0", digest: DIGESTS.next, channel: "stable", verifiedBy: KEY },
    policy: { automatic: "never", window: null, holdUntil: null },
    previous: { ...before, canReturn: true, why: null },
    notNow: [],
    operation: null,
    history: [
      {
        ...{ operationId: "0003-update", kind: "update", startedAt: ago(600), endedAt: ago(590), state: "failed" },
        ...{ verdict: "failed", outcome: "returned", reason: "The login page answered 502 for five minutes." },
        ...{
          from: now,
          to: { version: "1.1.0-rc.1", digest: DIGESTS.next, channel: "stable" },
          durationMs: 610_000,
          expectedMs: 400_000,
          fetched: null,
        },
      },
      {
        ...{ operationId: "0002-update", kind: "update", startedAt: ago(3_010), endedAt: ago(3_000), state: "done" },
        ...{ verdict: "ok", outcome: "installed", reason: null, from: before, to: { ...now, channel: "stable" } },
        ...{ durationMs: 480_000, expectedMs: null, bytes: 410_000_000, fetched },
      },
    ],
  };
}

function samplePlan(): UpdatePlan {
  return {
    digest: "sha256:plan",
    kind: "update",
    from: { version: "1.0.3", digest: DIGESTS.now },
    to: { version: "1.1.0", digest: DIGESTS.next, verifiedBy: KEY },
    components: [
      {
        name: "alga-core",
        restarts: true,
        changes: [
          { kind: "image", name: "image algaCore", from: "1.0.3", to: "1.1.0" },
          { kind: "values", name: "server.replicaCount", from: null, to: "2" },
        ],
      },
      { name: "pgbouncer", restarts: false, changes: [{ kind: "chart", name: "chart", from: "1.0.0", to: "1.0.1" }] },
    ],
    other: [{ kind: "flux", name: "Flux", from: "2.6.0", to: "2.6.1" }],
    definitions: [
      { name: "helmreleases.helm.toolkit.fluxcd.io", isNew: false, added: ["v2"], removed: ["v2beta1"], lost: [] },
    ],
    checks: [
      {
        ...{ code: "kube/unreachable", tier: "platform", state: "ok", title: "Kubernetes answers", cause: "" },
        ...{ evidence: [{ ref: "https://127.0.0.1:6443", text: "v1.34.1" }], next: null, retrySafe: true, since: null },
      },
    ],
    downloads: [{ name: "image algaCore", reference: "registry.example/alga-core@sha256:1", sizeBytes: 410e6 }],
    downloadBytes: 410e6,
    unknownSizes: ["image redis"],
    disk: { freeBytes: 77e9, neededBytes: 900e6 },
    expectedMs: 480_000,
    expectedFrom: "history",
    irreversible: [
      { id: "2026-03-split", about: "Invoices get a table of their own.", ways: ["restore", "forward-fix"] },
    ],
    steps: [
      { id: "pull", title: "Fetch release 1.1.0", about: "Images first, while everything runs." },
      { id: "apply", title: "Change the components", about: "Two of six; people may notice a pause of seconds." },
      { id: "judge", title: "Judge the release", about: "Taken back by itself when the login page does not answer." },
    ],
    notNow: [],
    warnings: [],
  };
}
