import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandContext, type Said } from "../../test/support/command-context.ts";
import { madeExecutable, madeLibraries } from "../../test/support/elf.ts";
import type { FlagValue } from "../cli/command.ts";
import { ApplianceError } from "../core/errors.ts";
import { pushArtifact } from "../oci/artifact.ts";
import { openLayout } from "../oci/layout.ts";
import { createLayout, writeStore } from "../oci/layout-writer.ts";
import { MEDIA } from "../oci/media-types.ts";
import { createMemoryStore } from "../oci/store.ts";
import { createMemoryFiles, type MemoryFiles } from "../rehearsal/memory-files.ts";
import { commands } from "./image-command.ts";
import { packLayer } from "./image-layer.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;

/** A publisher's folder: executables of both machines, libraries of both. */
async function folder(): Promise<MemoryFiles> {
  const files = createMemoryFiles();
  for (const machine of ["amd64", "arm64"] as const) {
    await files.makeDirectory(`/publisher/${machine}`);
    await files.write(`/publisher/alga-${machine}`, madeExecutable(machine));
    for (const [name, bytes] of Object.entries(madeLibraries(machine)))
      await files.write(`/publisher/${machine}/${name}`, bytes);
  }
  await files.write("/publisher/notes.txt", "no program, and long enough to hold a header of one: ".repeat(3));
  return files;
}

async function run(
  files: MemoryFiles,
  flags: Readonly<Record<string, FlagValue>>,
  env: Readonly<Record<string, string>> = {},
): Promise<Said> {
  const { context, said } = commandContext({ deps: { files }, flags, env: { PWD: "/publisher", ...env } });
  const [command] = commands;
  assert.equal(await command?.run(context), 0);
  return said;
}

const BOTH = {
  out: "out",
  executable: ["alga-amd64", "alga-arm64"],
  "runtime-libs": ["amd64=amd64", "arm64=/publisher/arm64"],
} as const;

describe("release image", () => {
  it("writes both platforms and the bill of materials into a layout, with the time of the sources", async () => {
    const files = await folder();
    const said = await run(files, BOTH, { SOURCE_DATE_EPOCH: "1700000000" });
    const result = said.value as {
      digest: string;
      tag: string;
      sbom: string;
      platforms: { platform: string; version: string }[];
    };
    assert.deepEqual(
      result.platforms.map((one) => `${one.platform} ${one.version}`),
      ["linux/amd64 1.2.3", "linux/arm64 1.2.3"],
    );
    const layout = await openLayout({ files }, "/publisher/out");
    assert.deepEqual(
      layout.entries().map((entry) => `${entry.repository} ${entry.tag ?? "by digest"} ${entry.descriptor.digest}`),
      [
        `alga-appliance-control-plane 1.2.3 ${result.digest}`,
        `alga-appliance-control-plane by digest ${result.sbom}`,
      ].sort(),
    );
    assert.match(said.text, /linux\/arm64 .* 1\.2\.3 \(0123456789ab\), glibc 2\.36 of folder "\/publisher\/arm64"/);
    assert.match(said.text, /Written to \/publisher\/out$/);
  });

  it("takes a path without a platform for the only one, and another tag", async () => {
    const files = await folder();
    const said = await run(files, { out: "out", executable: ["alga-arm64"], "runtime-libs": ["arm64"], tag: "2.0.0" });
    assert.equal((said.value as { tag: string }).tag, "2.0.0");
  });

  it("builds the same from another folder", async () => {
    const [here, there] = [await folder(), await folder()];
    await there.makeDirectory("/elsewhere");
    const absolute = {
      ...BOTH,
      executable: ["/publisher/alga-arm64", "/publisher/alga-amd64"],
      "runtime-libs": ["amd64=/publisher/amd64", "arm64=/publisher/arm64"],
    };
    const [one, two] = [await run(here, BOTH), await run(there, absolute, { PWD: "/elsewhere" })];
    const of = (said: Said) => ({ ...(said.value as { digest: string; sbom: string }) });
    assert.equal(of(one).digest, of(two).digest);
    assert.equal(of(one).sbom, of(two).sbom);
  });

  it("builds on a base image of a layout", async () => {
    const files = await folder();
    const store = createMemoryStore();
    const entries = Object.entries(madeLibraries("amd64")).map(([name, bytes]) => ({ path: `lib/${name}`, bytes }));
    const layer = await packLayer([...entries, { path: "lib64", target: "lib" }], { modifiedSeconds: 0 });
    const config = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [layer.diffId] } };
    const base = pushArtifact(store, "base", {
      tag: "1",
      config: { mediaType: MEDIA.config, bytes: new TextEncoder().encode(JSON.stringify(config)) },
      layers: [{ mediaType: MEDIA.layerGzip, bytes: layer.bytes }],
    });
    const layout = await createLayout({ files }, "/publisher/base");
    await writeStore(store, layout);
    await layout.finish();
    const said = await run(files, { out: "out", executable: ["alga-amd64"], base: `oci:base@${base}` });
    const [platform] = (said.value as { platforms: { layers: { digest: string; holds: string }[] }[] }).platforms;
    assert.equal(platform?.layers[0]?.digest, layer.digest);
    assert.equal(platform?.layers[0]?.holds, `base image ${base}`);
    await refused(
      files,
      { out: "out", executable: ["alga-amd64"], base: `oci:base@${DIGEST}` },
      "image/bad-source",
      /nothing of this digest/,
    );
  });

  const wrong: readonly (readonly [string, Readonly<Record<string, FlagValue>>, string, RegExp])[] = [
    ["no place to write", { ...BOTH, out: undefined }, "cli/usage", /--out <folder> is wanted/],
    [
      "no source of libraries",
      { ...BOTH, "runtime-libs": ["amd64=amd64"] },
      "cli/usage",
      /for arm64: nothing says where/,
    ],
    [
      "libraries for nobody",
      { ...BOTH, "runtime-libs": ["riscv64=x"] },
      "cli/usage",
      /"riscv64": there is no executable/,
    ],
    ["one source for two platforms", { ...BOTH, "runtime-libs": ["amd64"] }, "cli/usage", /for 2 platforms/],
    [
      "two executables of one machine",
      { ...BOTH, executable: ["alga-amd64", "/publisher/alga-amd64"] },
      "cli/usage",
      /two executables for amd64/,
    ],
    [
      "a base and libraries",
      { ...BOTH, base: `registry.example/base@${DIGEST}` },
      "cli/usage",
      /--base and --runtime-libs/,
    ],
    [
      "a base by tag",
      { out: "out", executable: ["alga-amd64"], base: "registry.example/base:1" },
      "cli/usage",
      /a digest is wanted/,
    ],
    [
      "an executable that is not there",
      { ...BOTH, executable: ["nothing"] },
      "file/unreadable",
      /there is no such file/,
    ],
    [
      "an executable that is a text",
      { ...BOTH, executable: ["notes.txt"] },
      "image/bad-elf",
      /no 64-bit little-endian ELF/,
    ],
    [
      "a folder that is not there",
      { ...BOTH, "runtime-libs": ["amd64=amd64", "arm64=gone"] },
      "image/bad-source",
      /no such file/,
    ],
    [
      "libraries of the other machine",
      { ...BOTH, "runtime-libs": ["amd64=amd64", "arm64=amd64"] },
      "image/runtime-missing",
      /ld-linux-aarch64/,
    ],
  ];
  for (const [name, flags, code, words] of wrong) {
    it(`refuses ${name}, and writes nothing`, async () => {
      const files = await folder();
      await refused(files, flags, code, words);
      assert.deepEqual(await files.list("/publisher/out"), []);
    });
  }

  it("refuses a time that is none", async () => {
    await assert.rejects(run(await folder(), BOTH, { SOURCE_DATE_EPOCH: "yesterday" }), (thrown) => {
      assert.ok(thrown instanceof ApplianceError);
      assert.equal(thrown.code, "cli/usage");
      return true;
    });
  });
});

function refused(
  files: MemoryFiles,
  flags: Readonly<Record<string, FlagValue>>,
  code: string,
  words: RegExp,
): Promise<void> {
  return assert.rejects(run(files, flags), (thrown) => {
    assert.ok(thrown instanceof ApplianceError, String(thrown));
    assert.equal(thrown.code, code, thrown.message);
    assert.match(thrown.message, words);
    return true;
  });
}
