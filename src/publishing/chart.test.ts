import assert from "node:assert/strict";
import { test } from "node:test";
import { packTree, readTarGz } from "../oci/tar.ts";
import { packChartFiles } from "./chart.ts";
import { loadChartArchive } from "./chart-files.ts";

const CHART = "apiVersion: v2\nname: one\nversion: 1.0.0\n";
type Tree = Readonly<Record<string, string | Uint8Array>>;

function files(tree: Tree): Map<string, Uint8Array> {
  const encode = (content: string | Uint8Array): Uint8Array =>
    typeof content === "string" ? new TextEncoder().encode(content) : content;
  return new Map(Object.entries(tree).map(([path, content]) => [path, encode(content)]));
}

const WITH_PART = `${CHART}dependencies:\n  - {name: part, version: ">=1", repository: "https://charts.example.com"}\n`;
const PART = { "charts/part/Chart.yaml": "apiVersion: v2\nname: part\nversion: 1.0.0\n" };

const REFUSED: readonly (readonly [name: string, tree: Tree, says: RegExp])[] = [
  ["no Chart.yaml", { "values.yaml": "" }, /there is no Chart\.yaml/],
  ["no YAML", { "Chart.yaml": "{" }, /Cannot read Chart\.yaml of "x"/],
  ["an old apiVersion", { "Chart.yaml": CHART.replace("v2", "v1") }, /apiVersion is v1, v2 is wanted/],
  ["no apiVersion", { "Chart.yaml": "name: one\nversion: 1.0.0\n" }, /apiVersion is v1, v2 is wanted/],
  ["a name with a slash", { "Chart.yaml": CHART.replace("one", "a/b") }, /name of Chart\.yaml is "a\/b"/],
  ["no version", { "Chart.yaml": "apiVersion: v2\nname: one\n" }, /version is absent/],
  ["half a version", { "Chart.yaml": CHART.replace("1.0.0", "1.0") }, /version is 1, a semantic version/],
  ["a type of its own", { "Chart.yaml": `${CHART}type: plugin\n` }, /type of Chart\.yaml is "plugin"/],
  ["values that are no YAML", { "Chart.yaml": CHART, "values.yaml": "a: [" }, /values\.yaml is no YAML/],
  ["a schema that is no JSON", { "Chart.yaml": CHART, "values.schema.json": "{" }, /values\.schema\.json/],
  ["a missing part", { "Chart.yaml": WITH_PART }, /its dependency part is not in charts\//],
  ["a file that is no part", { "Chart.yaml": CHART, "charts/readme.md": "x" }, /charts\/readme\.md is no chart/],
  [
    "a folder that is no part",
    { "Chart.yaml": CHART, "charts/a/b.txt": "x" },
    /"x\/charts\/a": there is no Chart\.yaml/,
  ],
  [
    "a lock of other dependencies",
    { "Chart.yaml": WITH_PART, ...PART, "Chart.lock": `digest: sha256:${"0".repeat(64)}\ndependencies: []\n` },
    /Chart\.lock does not belong/,
  ],
];

for (const [name, tree, says] of REFUSED) {
  test(`refuses a chart with ${name}`, () => {
    assert.throws(
      () => packChartFiles(files(tree), "x"),
      (thrown: Error) => says.test(thrown.message),
    );
  });
}

test("the same content gives the same bytes, in whatever order it was read", () => {
  const tree = files({ "Chart.yaml": CHART, "templates/b.yaml": "b", "templates/a.yaml": "a", ...PART });
  const turned = new Map([...tree].reverse());
  assert.deepEqual(packChartFiles(tree, "x").layer, packChartFiles(turned, "x").layer);
});

test("a part in an archive is unpacked under its own name", () => {
  const archive = packTree([
    { path: "whatever/Chart.yaml", bytes: files(PART).get("charts/part/Chart.yaml") ?? new Uint8Array() },
  ]);
  const { layer } = packChartFiles(files({ "Chart.yaml": WITH_PART, "charts/p-9.tgz": archive }), "x");
  assert.deepEqual([...readTarGz(layer).keys()], ["one/Chart.yaml", "one/charts/part/Chart.yaml"]);
  assert.equal(loadChartArchive(layer, "x").metadata.version, "1.0.0");
});

test("a part in an archive that is a trap is refused", () => {
  const trap = new TextEncoder().encode("not a gzip");
  assert.throws(() => packChartFiles(files({ "Chart.yaml": CHART, "charts/p.tgz": trap }), "x"), {
    code: "oci/bad-archive",
  });
});
