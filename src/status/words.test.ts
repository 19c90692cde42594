/** The words of others: causes read from their sentences, text made harmless, objects trimmed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KubeObject } from "../kube/model.ts";
import { ageText, withoutAges } from "./age.ts";
import { evidence, harmless, oneLine } from "./evidence.ts";
import { keepNeeded } from "./keep.ts";
import { type PullProblem, pullProblemOf } from "./pull-problem.ts";
import { resourceName } from "./resource-name.ts";

const PULLS: readonly (readonly [PullProblem, string])[] = [
  ["not-found", "failed to resolve reference: ghcr.io/nine-minds/alga-psa-ee:62cdce38: not found"],
  ["not-found", "manifest for ghcr.io/a/b:1 not found: manifest unknown: manifest unknown"],
  ["not-found", "GET https://ghcr.io/v2/a/manifests/1: MANIFEST_UNKNOWN: manifest unknown"],
  ["unauthorized", "failed to authorize: failed to fetch anonymous token: unexpected status: 403 Forbidden"],
  [
    "unauthorized",
    "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope",
  ],
  ["unauthorized", "failed to determine artifact digest: UNAUTHORIZED: authentication required"],
  ["network", 'failed to authorize: Post "https://ghcr.io/token": dial tcp 192.0.2.7:443: connect: connection refused'],
  ["network", "net/http: TLS handshake timeout"],
  ["network", "unexpected EOF"],
  ["network", "unexpected status code 503 Service Unavailable"],
  ["name", "dial tcp: lookup ghcr.io on 10.43.0.10:53: no such host"],
  ["certificate", "tls: failed to verify certificate: x509: certificate signed by unknown authority"],
  ["rate-limited", "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit"],
  ["digest", "failed commit on ref: unexpected commit digest sha256:aa, expected sha256:bb: failed precondition"],
  ["digest", 'failed to extract layer: error verifying sha256 checksum after reading 512 bytes; got "aa", want "bb"'],
  ["digest", 'manifest digest: "sha256:aa" does not match requested digest: "sha256:bb" for "config"'],
  ["disk-full", "failed to extract layer: write /var/lib/x: no space left on device"],
  ["invalid", "couldn't parse image name: invalid reference format"],
  ["other", "a sentence nobody knows"],
];

describe("pull problems", () => {
  for (const [problem, sentence] of PULLS) {
    test(`${problem}: ${sentence.slice(0, 60)}`, () => assert.equal(pullProblemOf(sentence), problem));
  }
});

describe("evidence", () => {
  test("masks secrets before it is cut", () => {
    assert.doesNotMatch(evidence("Pod a", "Authorization: Bearer abcdef123456").text, /abcdef/);
    assert.doesNotMatch(evidence("Pod a", `${"x".repeat(3_000)} password=hunter2`).text, /hunter2/);
  });

  test("keeps the end, within 2 KiB, on a character", () => {
    const { text } = evidence("Pod a", `${"é".repeat(4_000)}the end`);
    assert.ok(Buffer.byteLength(text) <= 2_048 && text.endsWith("the end") && !text.includes("\ufffd"));
  });

  test("writes out what would steer a terminal or turn text round", () => {
    assert.equal(harmless("a\u001b[2Jb\u202ec\r\nd"), "a\\u{1b}[2Jb\\u{202e}c\nd");
    assert.equal(oneLine("two\nlines  here"), "two lines here");
    assert.equal(oneLine("x".repeat(50), 10), `${"x".repeat(9)}…`);
  });
});

test("sentences stand without their ages", () => {
  const ages = [0, 240_000, 10_800_000, 400_000_000].map(ageText);
  const sentences: readonly (readonly [(age: string) => string, string])[] = [
    [(age) => `Pod msp/a has waited ${age} for it.`, "Pod msp/a has waited for it."],
    [(age) => `It has been running for ${age}.`, "It has been running."],
    [(age) => `Not available, for ${age}.`, "Not available."],
    [(age) => `It should have ended ${age} ago.`, "It should have ended."],
    [(age) => `Exit code 1; it last stopped ${age} ago`, "Exit code 1; it last stopped"],
    [(age) => `It has been away for ${age}; what is shown was known.`, "It has been away; what is shown was known."],
  ];
  for (const [write, without] of sentences)
    for (const age of ages) assert.equal(withoutAges(write(age)), without, write(age));
  assert.equal(withoutAges("It has failed 4 times in pod db-4 min-io"), "It has failed 4 times in pod db-4 min-io");
});

test("ages are coarse, so that a document does not change every second", () => {
  assert.deepEqual([0, 59_999, 60_000, 7_199_000, 7_200_000, 200_000_000, Number.NaN].map(ageText), [
    "less than a minute",
    "less than a minute",
    "1 min",
    "119 min",
    "2 h",
    "2 days",
    "less than a minute",
  ]);
});

test("resources are named as RBAC rules name them", () => {
  const names = [
    { apiVersion: "v1", kind: "Pod" },
    { apiVersion: "storage.k8s.io/v1", kind: "StorageClass" },
    { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository" },
  ].map(resourceName);
  assert.deepEqual(names, ["pods", "storageclasses.storage.k8s.io", "ocirepositories.source.toolkit.fluxcd.io"]);
});

describe("keeping what is needed", () => {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "db-0", namespace: "msp", resourceVersion: "7", annotations: { big: "x".repeat(10_000) } },
    spec: {
      nodeName: "box",
      containers: [{ name: "a", image: "b", env: [{ name: "PASSWORD", value: "hunter2" }] }],
      volumes: [{ name: "v", persistentVolumeClaim: { claimName: "c" } }],
    },
    status: { phase: "Running", conditions: [{ type: "Ready", status: "True", message: "m".repeat(9_000) }] },
  } as KubeObject;

  test("drops annotations and the environment of containers", () => {
    const kept = JSON.stringify(keepNeeded(pod));
    assert.doesNotMatch(kept, /hunter2|xxxx/);
    assert.match(kept, /"nodeName":"box".*"claimName":"c"/);
  });

  test("bounds texts, and keeps kinds it does not know by their metadata", () => {
    assert.ok(JSON.stringify(keepNeeded(pod)).length < 5_000);
    const other = keepNeeded({ apiVersion: "a/v1", kind: "Odd", metadata: { name: "n" }, data: { secret: "s" } });
    assert.deepEqual(other, { apiVersion: "a/v1", kind: "Odd", metadata: { name: "n" } });
  });
});
