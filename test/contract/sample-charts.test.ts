/**
 * The real helm accepts the charts of the sample release and renders, with the values of the release, the workloads that the
 * component table promises.
 *
 * Runs where `bun scripts/lab/tools.ts helm` has put the command; elsewhere it says so and passes nothing off as tested.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { toolPath } from "../../scripts/lab/tools.ts";
import { renderValues } from "../../src/flux/values.ts";
import { readYaml } from "../../src/flux/yaml.ts";
import { asKubeObject, type KubeObject, listAt, textAt } from "../../src/kube/model.ts";
import { createMemoryStore, type RegistryStore } from "../../src/oci/store.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { type ComponentSpec, componentsOf } from "../../src/release/model.ts";

const HELM = toolPath("helm");
const PLACE = { registry: "registry.test", base: "nine-minds" };

if (existsSync(HELM)) suite();
else process.stdout.write(`skipped: helm is not at ${HELM} (bun scripts/lab/tools.ts helm)\n`);

function suite(): void {
  const work = mkdtempSync(join(tmpdir(), "charts-"));
  after(() => rmSync(work, { recursive: true }));
  const store = createMemoryStore();
  const { manifest } = buildSampleRelease(store, { registry: PLACE.registry, version: "1.0.3" });
  const settings = { appUrl: "https://psa.example.com", host: "psa.example.com", place: PLACE };
  const values = renderValues(manifest, settings);

  describe("helm accepts the sample charts", () => {
    for (const component of componentsOf(manifest)) {
      it(component.name, () => {
        const chart = join(work, `${component.chart}.tgz`);
        const file = join(work, `${component.name}.yaml`);
        writeFileSync(chart, chartBytes(store, component.chart));
        writeFileSync(file, valuesOf(values, component));
        helm(["lint", chart, "--values", file]);
        const text = helm([
          "template",
          component.name,
          chart,
          "--namespace",
          component.targetNamespace,
          "--values",
          file,
        ]);
        const objects = readYaml(text, { what: chart, code: "flux/bad-values" }).map((one) => asKubeObject(one, chart));
        checkRendered(objects, component);
      });
    }
  });
}

function chartBytes(store: RegistryStore, chart: string): Uint8Array {
  const stored = store.manifest(`nine-minds/charts/${chart}`, "0.1.0");
  const document: unknown = JSON.parse(new TextDecoder().decode(stored?.bytes));
  return (
    store.blob(`nine-minds/charts/${chart}`, textAt(listAt(document, "layers")[0], "digest") ?? "") ?? new Uint8Array()
  );
}

function valuesOf(maps: readonly KubeObject[], component: ComponentSpec): string {
  const map = maps.find((one) => one.metadata.name === component.valuesConfigMap);
  return textAt(map, "data", component.valuesKey) ?? "";
}

function helm(words: readonly string[]): string {
  return execFileSync(HELM, words, { encoding: "utf8", timeout: 60_000, stdio: ["ignore", "pipe", "pipe"] });
}

function checkRendered(objects: readonly KubeObject[], component: ComponentSpec): void {
  const wanted = component.workloads.map((workload) => `${workload.kind} ${workload.name}`);
  const job = component.bootstrapJob === undefined ? [] : [`Job ${component.bootstrapJob}`];
  const service = component.loginService === undefined ? [] : [`Service ${component.loginService.name}`];
  const rendered = objects.map((object) => `${object.kind} ${object.metadata.name}`);
  assert.deepEqual(rendered.sort(), [...wanted, ...job, ...service].sort());
  const images = objects.flatMap((object) =>
    listAt(object, "spec", "template", "spec", "containers").map((container) => textAt(container, "image")),
  );
  const own = `${PLACE.registry}/${PLACE.base}/${component.imageRepository ?? "sample-base"}:`;
  assert.ok(
    images.some((image) => image?.startsWith(own)),
    images.join(" "),
  );
}
