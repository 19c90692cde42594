/** The room that a release's volumes want, told before the setup: from the values of the real profile, and from odd ones. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import type { ReleaseManifest } from "../release/model.ts";
import type { ResolvedRelease } from "../release/resolved.ts";
import type { SetupInputs } from "./model.ts";
import type { SetupDeps } from "./ports.ts";
import { volumesWarning, wantedVolumes } from "./volumes.ts";
import { planWarnings } from "./warnings.ts";

const GIB = 2 ** 30;

describe("wantedVolumes()", () => {
  const volume = { size: "50Gi", storageClass: "local-path" };
  const cases: readonly (readonly [string, unknown, readonly number[]])[] = [
    ["a volume", { db: { persistence: volume } }, [50 * GIB]],
    ["one that is switched off", { db: { persistence: { ...volume, enabled: false } } }, []],
    ["one of what is switched off", { db: { enabled: false, persistence: volume } }, []],
    ["one of another class", { db: { ...volume, storageClass: "fast" } }, []],
    ["one of the default class", { db: { size: "1G", storageClassName: "" } }, [1e9]],
    ["a size that is none of a volume", { image: { size: "50Gi" } }, []],
    ["a size that is no quantity", { db: { ...volume, size: "large" } }, []],
    ["a claim as Kubernetes writes it", { spec: { resources: { requests: { storage: "2Gi", cpu: 1 } } } }, [2 * GIB]],
    ["a claim beside its size, once", { ...volume, resources: { requests: { storage: "50Gi" } } }, [50 * GIB]],
    ["a list", [{ db: volume }, { cache: volume }], [50 * GIB, 50 * GIB]],
    ["nothing", null, []],
  ];
  for (const [what, values, wanted] of cases)
    it(`reads ${what}`, () => assert.deepEqual(wantedVolumes(values), wanted));
});

describe("volumesWarning()", () => {
  const folder = new URL("../../flux/profiles/single-node/values/", import.meta.url);
  const profileValues = Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), "utf8")]),
  );
  const warn = (freeBytes: number, values: Readonly<Record<string, string>> = profileValues) => {
    const files = { ...createMemoryFiles(), space: async () => ({ freeBytes, totalBytes: 2 * freeBytes }) };
    const manifest = { valuesProfile: "single-node", profileValues: values } as ReleaseManifest;
    return volumesWarning(
      { files, clock: createFakeBox({ instant: true }).clock },
      manifest,
      "/var/lib/alga-appliance",
    );
  };

  it("tells that the profile's volumes do not fit on a small disk, and where to mount a larger one", async () => {
    assert.match(
      (await warn(48e9)) ?? "",
      /^The volumes of this release may take 129 GB \(3\), and the disk has 48 GB free of 96 GB: .*\/var\/mnt\/alga-data before the setup\.$/,
    );
  });
  it("is silent where they fit, and where the values cannot be read", async () => {
    assert.equal(await warn(130e9), undefined);
    assert.equal(await warn(1, {}), undefined);
    assert.equal(await warn(1, { "alga-core.single-node.yaml": "a: [" }), undefined);
  });
  it("stands among the warnings of a plan, but not of a rehearsal, which installs nothing", async () => {
    const deps: Partial<SetupDeps> = {
      files: { ...createMemoryFiles(), space: async () => ({ freeBytes: 48e9, totalBytes: 60e9 }) },
      clock: createFakeBox({ instant: true }).clock,
      network: { addresses: async () => ["192.0.2.7"] } as Partial<SetupDeps["network"]> as SetupDeps["network"],
      registry: { place: { registry: "ghcr.io", base: "nine-minds" } },
    };
    const inputs = {
      appHostname: "https://192.0.2.7",
      editionChoice: "ce",
      dnsMode: "system",
      dnsServers: "",
    } as SetupInputs;
    const manifest = { valuesProfile: "single-node", profileValues } as ReleaseManifest;
    const resolved = { verifiedBy: "key", missing: [], manifest } as Partial<ResolvedRelease> as ResolvedRelease;
    const warnings = (rehearsal: boolean): Promise<readonly string[]> => {
      const settings = { controlPlane: "1.0.3", stateFolder: "/state", rehearsal };
      return planWarnings(deps as SetupDeps, inputs, { resolved, licensed: true, settings });
    };
    assert.match((await warnings(false)).join("\n"), /^The volumes of this release may take 129 GB/);
    assert.deepEqual(await warnings(true), []);
  });
});
