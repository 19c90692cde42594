/** Each check finds what it is for: a healthy box with one thing changed, and the check says so. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { foldStatus } from "../fold.ts";
import type { Check, CheckState } from "../model.ts";
import { readSituation } from "../situations/situation.ts";
import { CHECKS } from "./index.ts";

const FOLDER = new URL("../situations/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(`${name}.yaml`, FOLDER), "utf8");
const healthy: unknown = parse(read("healthy"));

/** What the change makes the check say; the text stands in its title, cause or evidence. */
interface Row {
  readonly code: string;
  readonly change: string;
  readonly says: string;
  readonly state?: CheckState;
}

const APP = "msp/alga-core-sebastian-7d9c4-x1";
const JOB = "msp/alga-core-sebastian-bootstrap";
const node = (spec: string, conditions: string): string =>
  `lists: { nodes: { box: { spec: ${spec}, status: { conditions: [{ type: Ready, status: "True" }, ${conditions}] } } } }`;
const waiting = (reason: string, message: string): string =>
  `lists: { pods: { ${APP}: { status: { phase: Pending, conditions: [{ type: Ready, status: "False" }], containerStatuses: ` +
  `[{ name: main, image: "registry.example/app:1", ready: false, restartCount: 0, state: { waiting: { reason: ${reason}, message: '${message}' } } }] } } } }`;
const started = (reason: string, message: string): string =>
  `lists: { pods: { ${APP}: { status: { phase: Pending, conditions: [], containerStatuses: [{ name: main, image: x, ready: false, state: { waiting: { reason: ContainerCreating } } }] } } }, ` +
  `events: { msp/e: { type: Warning, reason: ${reason}, message: '${message}', involvedObject: { kind: Pod, namespace: msp, name: alga-core-sebastian-7d9c4-x1 }, lastTimestamp: "2026-11-21T08:59:00Z" } } }`;
const source = (message: string): string =>
  `lists: { ociRepositories: { flux-system/alga-appliance: { status: { artifact: null, conditions: [{ type: Ready, status: "False", reason: OCIArtifactPullFailed, message: '${message}' }] } } } }`;
const helm = (reason: string, message: string): string =>
  `lists: { helmReleases: { alga-system/temporal: { status: { conditions: [{ type: Ready, status: "False", reason: ${reason}, message: '${message}' }] } } } }`;
const part = (reason: string, message: string): string =>
  `lists: { kustomizations: { flux-system/alga-core: { status: { conditions: [{ type: Ready, status: "False", reason: ${reason}, message: '${message}' }] } } } }`;
const login = (fields: string): string => `observe: { login: { public: { sinceMs: -1m, ${fields} } } }`;
const names = (answers: string): string =>
  `observe: { dns: { atMs: -5s, servers: [192.0.2.53], answers: [${answers}] }`;
const registry = (state: string): string =>
  `observe: { installed: null, registry: { state: ${state}, text: went wrong }, operation: { id: o, kind: setup, state: running, step: null, steps: [], progress: { done: 0, total: 1, unit: steps }, startedAt: "2026-11-21T08:59:00Z", endedAt: null, problem: null } }`;

const ROWS: readonly Row[] = [
  {
    code: "kube/unauthorized",
    change: "observe: { kubernetes: { state: unauthorized, problem: no } }",
    says: "credentials",
  },
  {
    code: "kube/unreachable",
    change: "observe: { kubernetes: { state: broken, problem: '500' } }",
    says: "with errors",
  },
  { code: "kube/unreachable", change: "observe: { kubernetes: { state: unconfigured } }", says: "no kubeconfig" },
  {
    code: "kube/half-answering",
    change: "listStates: { jobs: { state: stale, sinceMs: -5m, problem: reset } }",
    says: "jobs.batch",
  },
  {
    code: "host/disk-full",
    change: "observe: { host: { disks: [{ path: /var, freeBytes: 1000, totalBytes: 100000000000 }] } }",
    says: "1 kB",
  },
  {
    code: "host/memory-low",
    change: "observe: { host: { memory: { totalBytes: 16000000000, availableBytes: 100000000 } } }",
    says: "100 MB",
  },
  { code: "node/none", change: "lists: { nodes: null }", says: "no node" },
  {
    code: "node/memory-pressure",
    change: node("{}", "{ type: MemoryPressure, status: 'True' }"),
    says: "MemoryPressure",
  },
  { code: "node/process-pressure", change: node("{}", "{ type: PIDPressure, status: 'True' }"), says: "PIDPressure" },
  {
    code: "node/network-unavailable",
    change: node("{}", "{ type: NetworkUnavailable, status: 'True' }"),
    says: "NetworkUnavailable",
  },
  { code: "node/closed", change: node("{ unschedulable: true }", ""), says: "cordoned" },
  {
    code: "node/closed",
    change: node("{ taints: [{ key: a.b/c, value: d, effect: NoSchedule }] }", ""),
    says: "a.b/c=d:NoSchedule",
  },
  { code: "registry/no-such-name", change: registry("no-such-name"), says: "does not resolve" },
  { code: "registry/certificate", change: registry("certificate"), says: "not trusted" },
  { code: "registry/denied", change: registry("denied"), says: "rejects" },
  { code: "registry/broken", change: registry("broken"), says: "wrong answers" },
  { code: "registry/no-answer", change: registry("no-answer"), says: "does not answer" },
  {
    code: "flux/missing",
    change: "listStates: { kustomizations: { state: absent } }\nlists: { kustomizations: null }",
    says: "not installed",
  },
  { code: "flux/source-not-found", change: source("MANIFEST_UNKNOWN: manifest unknown"), says: "does not have" },
  {
    code: "flux/source-certificate",
    change: source("x509: certificate signed by unknown authority"),
    says: "certificate",
  },
  { code: "flux/source-network", change: source("dial tcp 192.0.2.7:443: i/o timeout"), says: "cannot reach" },
  { code: "flux/source-not-ready", change: source("something new"), says: "not ready" },
  {
    code: "storage/claim-lost",
    change: "lists: { claims: { msp/alga-core-sebastian-postgres-data: { status: { phase: Lost } } } }",
    says: "gone",
  },
  {
    code: "image/disk-full",
    change: waiting("ErrImagePull", "write /x: no space left on device"),
    says: "no room",
    state: "progressing",
  },
  {
    code: "image/digest",
    change: waiting("ImagePullBackOff", "failed size validation: 3 != 4: failed precondition"),
    says: "wrong bytes",
  },
  { code: "image/rate-limited", change: waiting("ImagePullBackOff", "toomanyrequests: rate limit"), says: "later" },
  {
    code: "image/certificate",
    change: waiting("ImagePullBackOff", "x509: certificate has expired"),
    says: "not trusted",
  },
  {
    code: "image/registry-name",
    change: waiting("ImagePullBackOff", "lookup registry.example: no such host"),
    says: "does not resolve",
  },
  {
    code: "image/network",
    change: waiting("ImagePullBackOff", "connect: connection refused"),
    says: "does not answer",
  },
  { code: "image/invalid-name", change: waiting("InvalidImageName", "could not parse"), says: "cannot be used" },
  { code: "image/pull-failed", change: waiting("ImagePullBackOff", "a new sentence"), says: "cannot be pulled" },
  {
    code: "pod/config-missing",
    change: waiting("CreateContainerConfigError", 'secret "db" not found'),
    says: 'secret "db" not found',
  },
  { code: "pod/start-failed", change: waiting("RunContainerError", "exec: no such file"), says: "no such file" },
  { code: "pod/no-network", change: started("FailedCreatePodSandBox", "cni: no plugin"), says: "cni: no plugin" },
  {
    code: "pod/evicted",
    change: `lists: { pods: { ${APP}: { status: { phase: Failed, reason: Evicted, message: The node was low on memory } } } }`,
    says: "low on memory",
  },
  {
    code: "pod/stuck-terminating",
    change: `lists: { pods: { ${APP}: { metadata: { deletionTimestamp: "2026-11-21T08:40:00Z" } } } }`,
    says: "20 min",
  },
  {
    code: "pod/init-waiting",
    change: `lists: { pods: { ${APP}: { status: { phase: Pending, initContainerStatuses: [{ name: wait, ready: false, state: { running: { startedAt: "2026-11-21T08:50:00Z" } } }] } } } }`,
    says: "10 min",
    state: "progressing",
  },
  {
    code: "bootstrap/retrying",
    change: `lists: { jobs: { ${JOB}: { status: { failed: 2, active: 1, conditions: [] } } } }`,
    says: "2 times",
    state: "progressing",
  },
  {
    code: "bootstrap/slow",
    change: `lists: { jobs: { ${JOB}: { metadata: { creationTimestamp: "2026-11-21T08:00:00Z" }, status: { active: 1, conditions: [] } } } }`,
    says: "60 min",
  },
  {
    code: "host/kubernetes-stopped",
    change: "observe: { kubernetes: { state: unreachable, sinceMs: -1m }, host: { k3sUnit: failed } }",
    says: "k3s.service is failed",
  },
  {
    code: "host/disk-failing",
    change: "observe: { host: { failingDisks: [{ path: /var, device: /dev/sda }] } }",
    says: "/dev/sda is about to fail",
  },
  {
    code: "network/name-servers",
    change:
      names("{ name: registry.example, use: registry, state: no-answer, addresses: [], text: silence, sinceMs: -1m }") +
      " }",
    says: "Asked: 192.0.2.53",
  },
  {
    code: "network/name-elsewhere",
    change: `${names("{ name: psa.example.com, use: login, state: resolves, addresses: [203.0.113.5], text: '', sinceMs: -1m }")}, login: { public: { sinceMs: -1m, outcome: wrong-page, text: a parking page } } }`,
    says: "203.0.113.5; this box has 192.168.10.20",
  },
  {
    code: "flux/chart-not-fetched",
    change:
      "lists: { helmCharts: { flux-system/alga-system-temporal: { spec: { chart: temporal }, status: { conditions: [{ type: Ready, status: 'False', reason: ChartPullError, message: 'unauthorized: authentication required' }] } } } }",
    says: "authentication required",
  },
  {
    code: "workload/job-failed",
    change:
      "lists: { jobs: { msp/migrate: { status: { conditions: [{ type: Failed, status: 'True', reason: BackoffLimitExceeded, message: 'Job has reached the specified backoff limit' }] } } } }",
    says: "backoff limit",
  },
  {
    code: "workload/daemon-not-ready",
    change:
      "lists: { daemonSets: { kube-system/svclb: { metadata: { creationTimestamp: '2026-11-21T08:00:00Z' }, status: { observedGeneration: 1, desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberAvailable: 0 } } } }",
    says: "0 of 1",
  },
  { code: "login/service-missing", change: "lists: { services: null }", says: "removed or renamed" },
  {
    code: "release/control-plane-old",
    change: "observe: { installed: { minimumControlPlane: 1.2.0 } }",
    says: "1.2.0 or newer",
  },
  {
    code: "workload/stalled",
    change:
      'lists: { deployments: { msp/temporal: { status: { conditions: [{ type: Progressing, status: "False", reason: ProgressDeadlineExceeded, message: has timed out progressing }] } } } }',
    says: "timed out",
  },
  {
    code: "workload/slow",
    change:
      'lists: { deployments: { msp/temporal: { status: { availableReplicas: 0, conditions: [{ type: Available, status: "False", lastTransitionTime: "2026-11-21T08:30:00Z" }] } } } }',
    says: "30 min",
  },
  {
    code: "flux/helm-missing",
    change: "lists: { helmReleases: { alga-system/temporal: null } }",
    says: "does not exist",
  },
  {
    code: "flux/helm-rolled-back",
    change: helm("RollbackSucceeded", "Helm rollback to v1 succeeded"),
    says: "version before",
  },
  {
    code: "flux/helm-upgrade-failed",
    change: helm("UpgradeFailed", "Helm upgrade failed: timed out"),
    says: "updated",
  },
  { code: "flux/helm-not-ready", change: helm("Strange", "new"), says: "as the release wants" },
  {
    code: "flux/helm-dependency",
    change: helm("DependencyNotReady", "alga-core"),
    says: "waits",
    state: "progressing",
  },
  { code: "flux/kustomization-prune", change: part("PruneFailed", "cannot delete"), says: "cannot delete" },
  { code: "flux/kustomization-source", change: part("ArtifactFailed", "not found"), says: "nothing to apply" },
  { code: "flux/kustomization-not-ready", change: part("Strange", "new"), says: "cannot be applied" },
  {
    code: "flux/kustomization-health",
    change: part("HealthCheckFailed", "timeout waiting for: [x]"),
    says: "does not become ready",
  },
  { code: "login/certificate-ends", change: login("certificate: { validToMs: +48h }"), says: "ends in" },
  {
    code: "login/certificate",
    change: login(
      'outcome: certificate, text: no, certificate: { problem: "Hostname/IP does not match certificate\'s altnames" }',
    ),
    says: "another name",
  },
  {
    code: "login/certificate",
    change: login("outcome: certificate, text: no, certificate: { validFromMs: +1h, problem: no }"),
    says: "not valid yet",
  },
  {
    code: "login/client-error",
    change: login("outcome: client-error, status: 404, text: '404'"),
    says: "not at its address",
  },
  {
    code: "login/foreign-redirect",
    change: login("outcome: foreign-redirect, status: 302, text: '302 to https://other.example/'"),
    says: "other.example",
  },
  { code: "login/broken", change: login("outcome: broken, text: reset"), says: "does not speak HTTP" },
  { code: "login/no-answer", change: login("outcome: no-answer, text: silence"), says: "in time", state: "unknown" },
];

const good = checksAfter("");

describe("what a check says", () => {
  test("names the hour in which a disk will be full", () => {
    const disk = "{ path: /var, freeBytes: 9000000000, totalBytes: 118000000000, fullAtMs: +29h }";
    const check = checkAfter(`observe: { host: { disks: [${disk}] } }`, "host/disk-nearly-full");
    assert.match(check.cause, /it is full about 2026-11-22 14:00 UTC/);
  });

  test("names the pull secret that nobody has made, and nothing when it is there or may not be looked for", () => {
    const denied = waiting("ImagePullBackOff", "401 Unauthorized").replace(
      `${APP}: {`,
      `${APP}: { spec: { imagePullSecrets: [{ name: regcred }] },`,
    );
    const missing = checkAfter(denied, "image/unauthorized");
    assert.match(missing.cause, /pull secret msp\/regcred does not exist/);
    assert.match(missing.next ?? "", /^Create the pull secret msp\/regcred/);
    const there = `${denied.slice(0, -2)}, secrets: { msp/regcred: {} } }`;
    assert.doesNotMatch(checkAfter(there, "image/unauthorized").cause, /pull secret/);
    const hidden = `${denied}\nlistStates: { secrets: { state: forbidden } }`;
    assert.doesNotMatch(checkAfter(hidden, "image/unauthorized").cause, /pull secret/);
    assert.equal(checkAfter(hidden, "kube/forbidden").state, "unknown");
  });

  test("believes a proxy at another address as long as the login page answers by the name", () => {
    const elsewhere = `${names("{ name: psa.example.com, use: login, state: resolves, addresses: [203.0.113.5], text: '', sinceMs: -1m }")} }`;
    assert.equal(checkAfter(elsewhere, "network/name-elsewhere").state, "ok");
    const refused =
      "login: { public: { sinceMs: -1m, outcome: certificate, text: unable to verify the first certificate } }";
    const hidden = checkAfter(elsewhere.replace(/ }$/, `, ${refused} }`), "network/name-elsewhere");
    assert.equal(hidden.state, "ok", "who answers cannot be seen behind a certificate that is refused");
  });

  test("takes a name server for dead only when no name is answered", () => {
    const one = "{ name: registry.example, use: registry, state: no-answer, addresses: [], text: x, sinceMs: -1m }";
    const other = "{ name: psa.example.com, use: login, state: no-such-name, addresses: [], text: x, sinceMs: -1m }";
    assert.equal(checkAfter(`${names(`${one}, ${other}`)} }`, "network/name-servers").state, "ok");
  });

  test("is unknown, and no good news, when what it looks at is old or was never seen", () => {
    const rows = [
      ["host: { atMs: -10m }", "host: null", "host/disk-full", "host/memory-low"],
      ["host: { atMs: -10m }", "host: { failingDisks: null }", "host/kubernetes-stopped", "host/disk-failing"],
      ["clock: { atMs: -1h }", "clock: null", "host/clock-skew"],
      ["registry: { atMs: -10m }", "registry: null", "registry/refused", "registry/denied"],
      ["dns: { atMs: -10m }", "dns: null", "network/name-servers", "network/name-elsewhere"],
      ["login: { service: { atMs: -5m }, public: { atMs: -5m } }", "login: null", "login/refused", "login/certificate"],
    ] as const;
    for (const [old, never, ...codes] of rows) {
      for (const code of codes) {
        for (const change of [old, never]) {
          const check = checkAfter(`observe: { ${change} }`, code);
          assert.deepEqual(
            [check.state, check.title.slice(0, 10)],
            ["unknown", "Not known:"],
            `${code} after ${change}`,
          );
        }
      }
    }
  });

  test("adds the end of a failed job's log to its evidence", () => {
    const pod =
      "{ metadata: { name: migrate-x, namespace: msp, ownerReferences: [{ kind: Job, name: migrate, controller: true }] }, status: { phase: Failed, containerStatuses: [] } }";
    const change = `observe: { logs: [{ namespace: msp, pod: migrate-x, container: main, text: "relation does not exist", atMs: -5s }] }
lists: { pods: { msp/migrate-x: ${pod} }, jobs: { msp/migrate: { status: { conditions: [{ type: Failed, status: "True", reason: X, message: y }] } } } }`;
    const { evidence } = checkAfter(change, "workload/job-failed");
    assert.ok(
      evidence.some((one) => one.text.includes("relation does not exist")),
      JSON.stringify(evidence),
    );
  });
});

function checkAfter(change: string, code: string): Check {
  const found = checksAfter(change).find((check) => check.code === code);
  assert.ok(found !== undefined, `${code} is a check`);
  return found;
}

function checksAfter(change: string): readonly Check[] {
  const { observations, nowMs } = readSituation(
    `about: one change\nfrom: healthy\nexpect: {}\n${change}`,
    () => healthy,
  );
  return foldStatus(observations, nowMs).checks;
}

describe("checks", () => {
  for (const row of ROWS) {
    test(`${row.code} says "${row.says}"`, () => {
      const check = checkAfter(row.change, row.code);
      assert.equal(check.state, row.state ?? "failed", JSON.stringify(check));
      const said = [check.title, check.cause, ...check.evidence.map((one) => one.text)].join(" ");
      assert.ok(said.includes(row.says), said);
      assert.equal(good.find((one) => one.code === row.code)?.state, "ok", "and nothing on a healthy box");
    });
  }

  test("each check is shown to fire here or by a recorded situation", () => {
    const shown = new Set(ROWS.map((row) => row.code));
    for (const file of readdirSync(FOLDER).filter((one) => one.endsWith(".yaml"))) {
      const { observations, nowMs } = readSituation(read(file.replace(/\.yaml$/, "")), () => healthy);
      for (const check of foldStatus(observations, nowMs).checks) {
        if (check.evidence.length > 0 || check.state === "failed" || check.state === "progressing")
          shown.add(check.code);
      }
    }
    assert.deepEqual(
      CHECKS.map((rule) => rule.code).filter((code) => !shown.has(code)),
      [],
    );
  });

  test("nobody is told to run what cannot be run: setup is started anew only until it has ended", () => {
    const again = /operation (?:again|once more)|run setup|(?:start|cancel) setup/i;
    for (const { code, change } of ROWS) {
      const next = checkAfter(change, code).next ?? "";
      assert.doesNotMatch(next, again, code);
    }
    const operation = (state: string, endedAt: string): string =>
      `observe: { operation: { id: o, kind: setup, state: ${state}, step: null, steps: [], progress: { done: 0, total: 1, unit: steps }, startedAt: "2026-11-21T08:59:00Z", endedAt: ${endedAt}, problem: null } }\n`;
    const missing = helm("ValuesError", "could not find ConfigMap");
    const nextWhile = (state: string, endedAt: string): string | null =>
      checkAfter(operation(state, endedAt) + missing, "flux/helm-values-missing").next;
    const writes = "which writes the values of the release";
    assert.equal(nextWhile("blocked", "null"), `Cancel setup and start it again, ${writes}`);
    assert.equal(nextWhile("cancelled", '"2026-11-21T08:59:30Z"'), `Start setup again, ${writes}`);
    assert.match(nextWhile("done", '"2026-11-21T08:59:30Z"') ?? "", /^Bring back what is named below/);
  });

  test("what Flux and Helm manage is put back by a command that names it", () => {
    const gone = checkAfter("lists: { deployments: { msp/alga-core-sebastian: null } }", "workload/missing");
    assert.equal(
      gone.next,
      "Let Helm put it back: T=$(date +%s); kubectl -n alga-system annotate helmrelease alga-core reconcile.fluxcd.io/requestedAt=$T reconcile.fluxcd.io/forceAt=$T --overwrite",
    );
    const unknown = checkAfter("lists: { helmReleases: { alga-system/temporal: null } }", "flux/helm-missing");
    assert.equal(
      unknown.next,
      'Let Flux put it back: kubectl -n flux-system annotate kustomization alga-background reconcile.fluxcd.io/requestedAt="$(date +%s)" --overwrite',
    );
  });

  test("codes stand once, and every sentence is there", () => {
    const codes = CHECKS.map((rule) => rule.code);
    assert.equal(new Set(codes).size, codes.length);
    for (const rule of CHECKS) {
      assert.match(rule.code, /^[a-z]+\/[a-z-]+$/);
      assert.ok(!rule.title.endsWith("."), `${rule.code}: the sentence of a good state has no period`);
      assert.ok(rule.about.endsWith("."), `${rule.code}: about`);
      assert.doesNotMatch(
        `${rule.title} ${rule.about} ${rule.next}`,
        /!|please|error occurred|\bfailed to\b/i,
        rule.code,
      );
    }
  });

  test("what a check explains exists", () => {
    const codes = CHECKS.map((rule) => rule.code);
    for (const rule of CHECKS) {
      for (const pattern of (rule.explains ?? []).flatMap((one) => one.codes)) {
        const known = codes.some((code) =>
          pattern.endsWith("*") ? code.startsWith(pattern.slice(0, -1)) : code === pattern,
        );
        assert.ok(known, `${rule.code} explains ${pattern}`);
      }
    }
  });
});
