import assert from "node:assert/strict";
import { test } from "node:test";
import { statusWith } from "../../test/support/status.ts";
import { digestOf } from "../core/digest.ts";
import type { OperationView } from "../operation/model.ts";
import { readReleaseManifest } from "../release/model.ts";
import type { ReleaseRef, ResolvedRelease } from "../release/resolved.ts";
import { INSTALLED_SCHEMA, type Installed } from "../status/installed.ts";
import type { Check } from "../status/model.ts";
import type { DefinitionChange, UpdateRecord } from "./model.ts";
import { type BoxNow, planChanges, planUpdate } from "./plan.ts";
import { definitionChanges } from "./plan-checks.ts";

const PLACE = "registry.test/nine-minds";
const GB = 1024 ** 3;

interface Made {
  readonly version?: string;
  readonly tag?: string;
  readonly imageBytes?: number;
  readonly values?: string;
  readonly update?: object;
  readonly missing?: boolean;
}

function release(made: Made = {}): ResolvedRelease {
  const { version = "1.0.3", tag = version, imageBytes = 100, values = "server:\n  replicaCount: 1\n", update } = made;
  const manifest = readReleaseManifest({
    version,
    images: { algaCore: tag },
    config: { repository: `${PLACE}/alga-appliance-config`, digest: digestOf(`config ${version}`) },
    profileValues: { "alga-core.single-node.yaml": values },
    ...(update === undefined ? {} : { update }),
  });
  const reference = `${PLACE}/alga-psa-ee:${tag}`;
  const image = {
    name: "image algaCore",
    kind: "image",
    reference,
    digest: digestOf(tag),
    sizeBytes: imageBytes,
  } as const;
  return {
    ref: { version },
    manifest,
    digest: digestOf(JSON.stringify(manifest)),
    registry: "registry.test",
    repository: "nine-minds/alga-appliance-release",
    verifiedBy: "none",
    artifacts: made.missing === true ? [] : [image],
    missing: made.missing === true ? [{ name: image.name, reference, problem: "it answers 404" }] : [],
    resolvedAt: "",
    roundTrips: 0,
  };
}

function installedOf({ manifest, digest }: ResolvedRelease): Installed {
  return {
    schema: INSTALLED_SCHEMA,
    channel: "stable",
    version: manifest.version,
    digest,
    verifiedBy: "none",
    answersDigest: digestOf("answers"),
    registry: "registry.test",
    repository: "nine-minds/alga-appliance-release",
    appUrl: "https://psa.example.com",
    installedAt: "2026-11-01T00:00:00.000Z",
  };
}

const CALM: BoxNow = { freeBytes: 50 * GB, operation: undefined, status: statusWith(() => "ready"), history: [] };

function planned(
  from: ResolvedRelease,
  to: ResolvedRelease,
  more: {
    readonly ref?: ReleaseRef;
    readonly box?: Partial<BoxNow>;
    readonly known?: boolean;
    readonly checks?: readonly Check[];
    readonly definitions?: readonly DefinitionChange[] | undefined;
  } = {},
) {
  const { ref = { channel: "stable" }, box = {}, known = true, checks = [] } = more;
  const definitions = "definitions" in more ? more.definitions : [];
  const facts = {
    installed: installedOf(from),
    from: known ? from : undefined,
    to,
    ref,
    steps: [],
    pace: 1,
    checks,
    definitions,
  };
  return planUpdate({ ...facts, box: { ...CALM, ...box } });
}

const codes = (plan: ReturnType<typeof planned>) => plan.notNow.map(({ code }) => code);

test("a plan tells by component what changes, and what it costs", () => {
  const plan = planned(
    release(),
    release({ version: "1.1.0", imageBytes: 1000, values: "server:\n  replicaCount: 2\n" }),
  );
  assert.equal(plan.kind, "update");
  assert.deepEqual(plan.components, [
    {
      name: "alga-core",
      restarts: true,
      changes: [
        { kind: "image", name: "image algaCore", from: `1.0.3@${digestOf("1.0.3")}`, to: `1.1.0@${digestOf("1.1.0")}` },
        { kind: "values", name: "server.replicaCount", from: "1", to: "2" },
      ],
    },
  ]);
  assert.deepEqual([plan.downloadBytes, plan.disk], [1000, { freeBytes: 50 * GB, neededBytes: 3000 + GB }]);
  assert.deepEqual([plan.notNow, plan.expectedFrom], [[], "estimate"]);
});

test("values under names of secrets are hidden on both sides", () => {
  const values = (text: string): string => `server:\n  adminPassword: ${text}\n`;
  const plan = planned(
    release({ values: values("old-one") }),
    release({ version: "1.1.0", values: values("new-one") }),
  );
  assert.doesNotMatch(JSON.stringify(plan), /old-one|new-one/);
  assert.deepEqual(plan.components[0]?.changes.at(-1), {
    kind: "values",
    name: "server.adminPassword",
    from: "hidden",
    to: "hidden",
  });
});

test("the digest is of what the update does, not of the moment", () => {
  const [from, to] = [release(), release({ version: "1.1.0" })];
  const calm = planned(from, to);
  const full = planned(from, to, { box: { freeBytes: 1, operation: running("0007-update") } });
  assert.equal(full.digest, calm.digest);
  assert.deepEqual(codes(full), ["operation/busy", "update/not-enough-disk"]);
  assert.notEqual(planned(from, to, { ref: { channel: "next" } }).digest, calm.digest);
  assert.notEqual(planned(from, release({ version: "1.1.0", tag: "1.1.0-b" })).digest, calm.digest);
});

test("what is another in a plan that does not hold any more is said in sentences", () => {
  const seen = planned(release(), release({ version: "1.1.0" }));
  assert.deepEqual(planChanges(seen, seen), []);
  assert.deepEqual(planChanges(seen, planned(release(), release({ version: "1.1.1" }))), [
    "It goes to 1.1.1 now, not to 1.1.0",
  ]);
  assert.deepEqual(planChanges(seen, planned(release({ version: "1.0.4" }), release({ version: "1.1.0" }))), [
    "1.0.4 is installed now, not 1.0.3",
  ]);
});

test("a channel never goes down; a version that is named does, above the data floor", () => {
  const [high, low] = [release({ version: "2.0.0" }), release({ version: "1.9.0" })];
  assert.deepEqual(codes(planned(high, low)), ["release/downgrade"]);
  const named = planned(high, low, { ref: { version: "1.9.0" } });
  assert.deepEqual([named.kind, codes(named)], ["downgrade", []]);
  const floor = release({ version: "2.0.0", update: { dataFloor: "1.9.5" } });
  const below = planned(floor, low, { ref: { version: "1.9.0" } });
  assert.deepEqual(codes(below), ["update/data-floor"]);
  assert.match(below.notNow[0]?.message ?? "", /cannot read it: at least 1\.9\.5 is wanted/);
});

test("a required stop comes first, and is named", () => {
  const to = release({ version: "3.0.0", update: { stops: ["2.5.0", "2.0.0"] } });
  const plan = planned(release({ version: "1.0.0" }), to);
  assert.deepEqual(codes(plan), ["update/required-stop"]);
  assert.equal(plan.notNow[0]?.hint, "alga-appliance update run --version 2.0.0");
  assert.deepEqual(codes(planned(release({ version: "2.5.0" }), to)), []);
});

test("only migrations that have not run here cannot be undone", () => {
  const old = { id: "2026-01-names", about: "Names are split" };
  const fresh = { id: "2026-03-keys", about: "Keys are sealed anew" };
  const easy = { id: "2026-03-index", about: "An index", reversible: true };
  const plan = planned(
    release({ update: { migrations: [old] } }),
    release({ version: "1.1.0", update: { migrations: [old, fresh, easy] } }),
  );
  assert.deepEqual(plan.irreversible, [{ ...fresh, ways: ["restore", "forward-fix"] }]);
});

test("rules that cannot be read refuse the release", () => {
  assert.throws(() => planned(release(), release({ version: "1.1.0", update: { stops: ["soon"] } })), {
    code: "release/invalid-manifest",
  });
});

test("the same release is a repair; one that is not known any more lists everything", () => {
  const same = planned(release(), release());
  assert.deepEqual([same.kind, same.components, same.downloads], ["repair", [], []]);
  const unknown = planned(release(), release({ version: "1.1.0" }), { known: false });
  assert.deepEqual(
    unknown.components.map(({ name }) => name),
    ["alga-core"],
  );
  assert.match(unknown.warnings.join(" "), /not known any more/);
});

test("an image that the registry does not show is told, and no reason not to begin", () => {
  const plan = planned(release(), release({ version: "1.1.0", missing: true }));
  assert.deepEqual([plan.unknownSizes, plan.notNow], [["image algaCore"], []]);
  assert.match(plan.warnings.join(" "), /does not show the image algaCore: it answers 404/);
});

test("a platform that is down is a reason, one that is only slow is none", () => {
  const [from, to] = [release(), release({ version: "1.1.0" })];
  const with_ = (state: "failed" | "progressing") => ({
    box: { status: statusWith((tier) => (tier === "platform" ? state : "ready")) },
  });
  assert.deepEqual(codes(planned(from, to, with_("failed"))), ["update/cluster-not-ready"]);
  assert.deepEqual(codes(planned(from, to, with_("progressing"))), []);
});

test("the time is that of this box where it has updated before", () => {
  const took = (durationMs: number, outcome: UpdateRecord["outcome"] = "installed"): UpdateRecord => ({
    operationId: "0002-update",
    kind: "update",
    startedAt: "",
    endedAt: "",
    state: "done",
    verdict: "ok",
    outcome,
    reason: null,
    from: { version: "1.0.2", digest: digestOf("a") },
    to: { version: "1.0.3", digest: digestOf("b"), channel: null },
    planDigest: null,
    durationMs,
    expectedMs: null,
    bytes: null,
    fetched: null,
  });
  const history = [took(900), took(5, "untouched"), took(400), took(600)];
  const plan = planned(release(), release({ version: "1.1.0" }), { box: { history } });
  assert.deepEqual([plan.expectedMs, plan.expectedFrom], [600, "history"]);
});

function running(id: string): OperationView {
  return {
    id,
    kind: "update",
    state: "running",
    step: null,
    steps: [],
    progress: { done: 0, total: 0, unit: "steps" },
    startedAt: "",
    endedAt: null,
    problem: null,
  };
}

const check = (code: string, state: Check["state"]): Check => ({
  ...{ code, tier: "platform", state, title: "It is wrong", cause: "It was seen.", evidence: [], next: "Mend it" },
  ...{ retrySafe: false, since: null },
});

test("a failed check stands in the way; one of the network is waited for; disk is told by this update's own bytes", () => {
  const checks = [
    check("kube/unsupported-version", "failed"),
    check("network/registry-unreachable", "failed"),
    check("host/disk-space", "failed"),
    check("host/cpu", "ok"),
  ];
  const plan = planned(release(), release({ version: "1.1.0" }), { checks });
  assert.deepEqual(plan.notNow, [
    { code: "kube/unsupported-version", message: "It is wrong: It was seen", hint: "Mend it" },
  ]);
  assert.match(plan.warnings[0] ?? "", /^It is wrong: It was seen\. The update waits for it/);
  assert.equal(plan.checks.length, 4);
  assert.equal(
    planned(release(), release({ version: "1.1.0" })).digest,
    plan.digest,
    "the moment is no part of a plan",
  );
});

test("definitions are told by their versions; one that takes stored objects away stands in the way", () => {
  const wanted = [
    { name: "new.example.com", versions: ["v1"], stored: [] },
    { name: "same.example.com", versions: ["v1"], stored: [] },
    { name: "moves.example.com", versions: ["v2"], stored: [] },
    { name: "loses.example.com", versions: ["v2"], stored: [] },
  ];
  const present = new Map(
    [
      { name: "same.example.com", versions: ["v1"], stored: ["v1"] },
      { name: "moves.example.com", versions: ["v1", "v2"], stored: ["v2"] },
      { name: "loses.example.com", versions: ["v1", "v2"], stored: ["v1", "v2"] },
    ].map((one) => [one.name, one]),
  );
  const changes = definitionChanges(wanted, present);
  assert.deepEqual(changes, [
    { name: "new.example.com", isNew: true, added: ["v1"], removed: [], lost: [] },
    { name: "moves.example.com", isNew: false, added: [], removed: ["v1"], lost: [] },
    { name: "loses.example.com", isNew: false, added: [], removed: ["v1"], lost: ["v1"] },
  ]);
  const plan = planned(release(), release({ version: "1.1.0" }), { definitions: changes });
  assert.deepEqual(codes(plan), ["update/stored-version"]);
  assert.match(plan.notNow[0]?.message ?? "", /takes v1 of loses\.example\.com away, and objects are stored in it/);
  const unknown = planned(release(), release({ version: "1.1.0" }), { definitions: undefined });
  assert.deepEqual([unknown.definitions, unknown.notNow], [null, []]);
  assert.ok(unknown.warnings.some((warning) => warning.includes("definitions of custom resources")));
});
