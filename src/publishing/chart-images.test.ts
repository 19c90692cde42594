import assert from "node:assert/strict";
import { test } from "node:test";
import { imagesOfChart } from "./chart-images.ts";

const CHART = "name: web\nversion: 0.1.0\nappVersion: 2.3.4\n";

function images(files: Readonly<Record<string, string>>, overlay: Record<string, unknown> = {}) {
  const bytes = Object.entries({ "Chart.yaml": CHART, ...files }).map(
    ([path, text]) => [path, new TextEncoder().encode(text)] as const,
  );
  return imagesOfChart({ files: new Map(bytes), overlay });
}
const line = (image: string): Record<string, string> => ({ "templates/a.yaml": `spec:\n  - image: ${image}\n` });

const LINES: readonly (readonly [written: string, found: string])[] = [
  ["postgres:16", "docker.io/library/postgres:16"],
  ['"ghcr.io/a/b:1"', "ghcr.io/a/b:1"],
  ["'redis:8' # the cache", "docker.io/library/redis:8"],
  ["{{ .Values.db.name }}:{{ .Values.db.version }}", "quay.io/a/db:7"],
  ['"{{ .Values.db.name }}:{{ .Values.db.none | default .Chart.AppVersion }}"', "quay.io/a/db:2.3.4"],
  ['{{ .Values.db.none | default "redis:8" | quote }}', "docker.io/library/redis:8"],
  ['{{- default "redis:8" .Values.db.none -}}', "docker.io/library/redis:8"],
  ["{{ .Values.db.name }}:{{ .Chart.AppVersion }}", "quay.io/a/db:2.3.4"],
];
for (const [written, found] of LINES) {
  test(`reads image: ${written}`, () => {
    const values = { "values.yaml": "db: { name: quay.io/a/db, version: 7 }\n" };
    assert.deepEqual(images({ ...line(written), ...values }), { images: [found], unread: [] });
  });
}

test("tells the lines that only Helm can read, each once", () => {
  const written = '{{ include "common.image" (dict "root" .) }}';
  const { images: found, unread } = images(line(written));
  assert.deepEqual([found, unread], [[], [`templates/a.yaml: ${written}`]]);
});

test("reads images that values have in one text or in parts, under the values of the release", () => {
  const values = [
    "image: { registry: quay.io, repository: a/web, tag: '' }",
    "initImage: busybox:1.37",
    "metrics: { image: { repository: a/metrics, digest: 'sha256:x' } }",
    "db: { image: { name: ankane/pgvector, tag: v0.5.1 } }",
    "sidecars: [{ image: a/side:3 }]",
    "imagePullPolicy: Always",
    "service: { name: web, tag: none }",
  ].join("\n");
  assert.deepEqual(images({ "values.yaml": values }).images, [
    "docker.io/a/side:3",
    "docker.io/ankane/pgvector:v0.5.1",
    "docker.io/library/busybox:1.37",
    "quay.io/a/web:2.3.4",
  ]);
  const overlay = { db: { image: { tag: "v0.8.0" } }, initImage: "busybox:1" };
  assert.deepEqual(images({ "values.yaml": values }, overlay).images.slice(1, 3), [
    "docker.io/ankane/pgvector:v0.8.0",
    "docker.io/library/busybox:1",
  ]);
});

test("reads the charts in a chart, with the values that the outer one passes on", () => {
  const files = {
    "values.yaml": "cache: { image: { repository: redis, tag: 8 } }\n",
    "charts/cache/Chart.yaml": "name: cache\nappVersion: 7.0\n",
    "charts/cache/values.yaml": "image: { repository: old, tag: 1 }\nexporter: { image: a/exporter:1 }\n",
    "charts/cache/templates/x.yaml": "image: {{ .Values.image.repository }}:{{ .Values.image.tag }}\n",
  };
  assert.deepEqual(images(files).images, ["docker.io/a/exporter:1", "docker.io/library/redis:8"]);
});

test("takes nothing for an image that is none, and does not stop at what is no YAML", () => {
  assert.deepEqual(images({ "values.yaml": "image: 'no image at all: x'\nother: {{\n" }), { images: [], unread: [] });
  assert.deepEqual(images(line("{{ .Values.not.there }}")).images, []);
  assert.deepEqual(images({ "templates/a.yaml": `image:${" ".repeat(100_000)}x\n` }).images, []);
});
