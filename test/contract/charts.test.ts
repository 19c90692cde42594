/**
 * Our chart packer beside the real helm: the same files, the same config, the same annotations; and helm reads ours.
 *
 * Runs where `bun scripts/lab/tools.ts helm` has put the command; elsewhere it says so and passes nothing off as tested.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { toolPath } from "../../scripts/lab/tools.ts";
import { digestOf } from "../../src/core/digest.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { createMemoryStore } from "../../src/oci/store.ts";
import { readTarGz } from "../../src/oci/tar.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { type PackedChart, packChartAt, pushChart } from "../../src/publishing/chart.ts";
import { serveFetch } from "../support/serve-registry.ts";

const HELM = toolPath("helm");

type Tree = Readonly<Record<string, string>>;

const PLAIN: Tree = {
  "Chart.yaml": "apiVersion: v2\nname: plain\nversion: 1.2.3\nappVersion: 1.10\n",
  "values.yaml": "replicas: 1\n",
  "templates/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n",
};

const RICH: Tree = {
  "Chart.yaml": `apiVersion: v2
name: rich
version: 0.4.0-rc.1+build.7
appVersion: "2026 <beta> & more"
description: |
  Two lines
  of it
home: https://example.com/?a=1&b=2
icon: https://example.com/icon.png
deprecated: true
kubeVersion: ">=1.27.0-0"
type: application
keywords: [one, two]
sources: [https://example.com/source, https://example.com/other]
maintainers:
  - name: Ada
    email: ada@example.com
  - name: Bob
annotations:
  z.example.com/one: "1"
  a.example.com/two: "<2>"
  org.opencontainers.image.title: not-this
unknown: field
`,
  "values.yaml": "a: &anchor {x: 1}\nb: *anchor\n",
  "values.schema.json": '{"type": "object"}\n',
  "README.md": "read\n",
  LICENSE: "free\n",
  ".helmignore": "*.bak\nci/\n/top.txt\ndocs/*.txt\n",
  "x.bak": "no\n",
  "ci/values.yaml": "no: 1\n",
  "top.txt": "no\n",
  "deep/top.txt": "yes\n",
  "docs/a.txt": "no\n",
  "docs/b.md": "yes\n",
  "crds/crd.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: a.b.c\n",
  "templates/.hidden.yaml": "no: 1\n",
  "templates/_helpers.tpl": '{{ define "x" }}y{{ end }}\n',
  "templates/NOTES.txt": "Installed.\n",
  "templates/sub/.kept.yaml": "# kept: the rule of Helm is for templates/ itself\n",
  "templates/map.yaml": "\uFEFFapiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n",
};

const sub = (name: string, apiVersion = "v2"): Tree => ({
  "Chart.yaml": `apiVersion: ${apiVersion}\nname: ${name}\nversion: 1.0.0\n`,
  "values.yaml": "on: true\n",
  "templates/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Chart.Name }}\n",
});
const inside = (folder: string, tree: Tree): Tree =>
  Object.fromEntries(Object.entries(tree).map(([path, text]) => [`${folder}/${path}`, text]));

const PARENT: Tree = {
  "Chart.yaml": `apiVersion: v2
name: parent
version: 3.0.0
dependencies:
  - name: child
    version: 1.0.0
    repository: file://../child
    condition: child.enabled
    tags: [<all>]
    import-values:
      - child: {b: 1, a: 2}
        parent: x
    alias: kid
`,
  "templates/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: parent\n",
  "charts/_skipped/Chart.yaml": "nothing",
  "charts/.skipped": "nothing",
  "charts/child-1.0.0.tgz.prov": "kept\n",
  ...inside("charts/other-name", sub("inner")),
  ...inside("charts/old", { ...sub("old", "v1"), "requirements.yaml": "dependencies: []\n" }),
};

if (existsSync(HELM)) suite();
else process.stdout.write(`skipped: helm is not at ${HELM} (bun scripts/lab/tools.ts helm)\n`);

function suite(): void {
  const work = mkdtempSync(join(tmpdir(), "charts-"));
  after(() => rmSync(work, { recursive: true }));
  const deps = { files: systemFiles };
  const write = (name: string, tree: Tree): string => {
    for (const [path, text] of Object.entries(tree)) {
      const file = join(work, name, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    return join(work, name);
  };
  const homes = {
    HELM_CACHE_HOME: join(work, ".c"),
    HELM_CONFIG_HOME: join(work, ".f"),
    HELM_DATA_HOME: join(work, ".d"),
  };
  // The registry answers in this process, so helm must not block it.
  const helm = async (words: readonly string[]): Promise<string> =>
    (await promisify(execFile)(HELM, words, { timeout: 60_000, env: { ...process.env, ...homes } })).stdout;
  const packByHelm = async (folder: string): Promise<string> => {
    const said = await helm(["package", folder, "--destination", join(work, "packed")]);
    return /to: (.+)$/m.exec(said)?.[1] ?? "";
  };

  const folders = {
    plain: write("plain", PLAIN),
    rich: write("rich", RICH),
    parent: join(work, "parent"),
  };
  symlinkSync(join(folders.plain, "values.yaml"), join(folders.plain, "linked.yaml"));
  before(async () => void (await parentFolder()));

  async function parentFolder(): Promise<string> {
    write("child", sub("child"));
    const folder = write("parent", PARENT);
    await helm(["dependency", "update", folder]);
    // `dependency update` put child-1.0.0.tgz there, and took away what it does not know.
    write("parent", PARENT);
    return folder;
  }

  for (const [name, folder] of Object.entries(folders)) {
    describe(`chart ${name}`, () => {
      it("has the files that helm package takes", async () => {
        const ours = await packChartAt(deps, folder, name);
        const theirs = readTarGz(new Uint8Array(readFileSync(await packByHelm(folder))));
        const mine = readTarGz(ours.layer);
        assert.deepEqual([...mine.keys()].sort(), [...theirs.keys()].sort());
        for (const [path, bytes] of mine) sameFile(path, bytes, theirs.get(path) ?? new Uint8Array());
      });

      it("has the config, the layers and the annotations that helm push writes", async () => {
        const ours = await packChartAt(deps, folder, name);
        const registry = createRegistryServer();
        const served = await serveFetch(registry.fetch);
        await helm(["push", await packByHelm(folder), `oci://127.0.0.1:${served.port}/charts`, "--plain-http"]);
        await served.close();
        const tag = ours.version.replaceAll("+", "_");
        const theirs = registry.store.manifest(`charts/${ours.name}`, tag);
        const document = JSON.parse(new TextDecoder().decode(theirs?.bytes));
        const { "org.opencontainers.image.created": _created, ...annotations } = document.annotations;
        assert.deepEqual(ours.annotations, annotations);
        assert.equal(digestOf(ours.config), document.config.digest);
        const mine = JSON.parse(new TextDecoder().decode(ourManifest(ours)));
        assert.deepEqual(
          mine.layers.map((layer: { mediaType: string }) => layer.mediaType),
          document.layers.map((layer: { mediaType: string }) => layer.mediaType),
        );
        assert.equal(mine.config.mediaType, document.config.mediaType);
      });

      it("is pulled, shown, linted and rendered by helm", async () => {
        const ours = await packChartAt(deps, folder, name);
        const registry = createRegistryServer();
        pushChart(registry.store, `charts/${ours.name}`, ours);
        const served = await serveFetch(registry.fetch);
        const at = [`oci://127.0.0.1:${served.port}/charts/${ours.name}`, "--version", ours.version, "--plain-http"];
        const target = mkdtempSync(join(work, "pulled-"));
        await helm(["pull", ...at, "--destination", target]);
        const archive = join(target, `${ours.name}-${ours.version}.tgz`);
        assert.equal(digestOf(new Uint8Array(readFileSync(archive))), digestOf(ours.layer));
        assert.match(await helm(["show", "all", ...at]), new RegExp(`name: ${ours.name}`));
        assert.match(await helm(["template", "one", ...at]), /kind: ConfigMap/);
        // The linter wants every part declared; packing does not.
        if (name !== "parent") await helm(["lint", archive]);
        await served.close();
      });
    });
  }

  it("takes an archive of helm as it is, with its provenance, and refuses a foreign one", async () => {
    const archive = await packByHelm(folders.rich);
    const bytes = new Uint8Array(readFileSync(archive));
    const prov = `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nfiles:\n  rich.tgz: ${digestOf(bytes)}\n`;
    writeFileSync(`${archive}.prov`, prov);
    const packed = await packChartAt(deps, archive, "rich.tgz");
    assert.equal(digestOf(packed.layer), digestOf(bytes));
    const registry = createRegistryServer();
    pushChart(registry.store, "charts/rich", packed);
    const served = await serveFetch(registry.fetch);
    const target = mkdtempSync(join(work, "prov-"));
    await helm([
      "pull",
      `oci://127.0.0.1:${served.port}/charts/rich`,
      "--version",
      packed.version,
      "--plain-http",
      "--prov",
      "--destination",
      target,
    ]);
    assert.equal(readFileSync(join(target, `rich-${packed.version}.tgz.prov`), "utf8"), prov);
    await served.close();
    writeFileSync(`${archive}.prov`, prov.replace(/sha256:[0-9a-f]{4}/, "sha256:0000"));
    await assert.rejects(packChartAt(deps, archive, "rich.tgz"), { code: "build/bad-chart", message: /provenance/ });
  });
}

function ourManifest(chart: PackedChart): Uint8Array {
  const store = createMemoryStore();
  const digest = pushChart(store, "charts/x", chart);
  return store.manifest("charts/x", digest)?.bytes ?? new Uint8Array();
}

/** Helm and we write Chart.yaml anew from what was read, Helm also Chart.lock; everything else is the same bytes. */
function sameFile(path: string, mine: Uint8Array, theirs: Uint8Array): void {
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  if (!/\/Chart\.(yaml|lock)$/.test(path)) {
    assert.equal(text(mine), text(theirs), path);
    return;
  }
  const [ours, helms] = [parse(text(mine)), parse(text(theirs))];
  assert.deepEqual(path.endsWith(".yaml") ? ours : ours.digest, path.endsWith(".yaml") ? helms : helms.digest, path);
}
