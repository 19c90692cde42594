import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { madeImage } from "../../test/support/made-image.ts";
import { checkSpdx } from "../../test/support/spdx.ts";
import { canonicalJson } from "../core/json.ts";
import { createMemoryStore } from "../oci/store.ts";
import { type SbomInput, spdxDocument } from "./sbom.ts";
import { imageSbom } from "./sbom-image.ts";

const ORIGIN = { created: "2023-11-14T22:13:20Z", tool: "alga-appliance-1.2.3" };

interface Spdx {
  readonly name: string;
  readonly documentNamespace: string;
  readonly packages: readonly {
    readonly SPDXID: string;
    readonly name: string;
    readonly versionInfo: string;
    readonly licenseDeclared: string;
    readonly checksums?: readonly { readonly algorithm: string; readonly checksumValue: string }[];
    readonly externalRefs?: readonly { readonly referenceLocator: string }[];
  }[];
  readonly files: readonly {
    readonly fileName: string;
    readonly checksums: readonly { readonly checksumValue: string }[];
  }[];
  readonly relationships: readonly {
    readonly spdxElementId: string;
    readonly relationshipType: string;
    readonly relatedSpdxElement: string;
  }[];
}

async function made(): Promise<{ readonly document: Spdx; readonly digest: string }> {
  const image = await madeImage(createMemoryStore());
  return { document: imageSbom(image, ORIGIN) as unknown as Spdx, digest: image.digest };
}

describe("the bill of materials of an image", () => {
  it("keeps the rules of SPDX 2.3", async () => assert.deepEqual(checkSpdx((await made()).document), []));

  it("is read by a tool of SPDX itself", {
    skip: spdxTool() === undefined ? "pyspdxtools is not installed" : false,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "spdx-"));
    try {
      const file = join(folder, "image.spdx.json");
      writeFileSync(file, JSON.stringify((await made()).document));
      const { status, stderr } = spawnSync(spdxTool() ?? "", ["-i", file, "--version", "SPDX-2.3"], {
        encoding: "utf8",
      });
      assert.equal(status, 0, stderr);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("has the image, its platforms, executables, libraries and packages, each once", async () => {
    const { document } = await made();
    assert.deepEqual(document.packages.map((one) => `${one.SPDXID} ${one.name} ${one.versionInfo}`).sort(), [
      "SPDXRef-Executable-amd64 alga-appliance 1.2.3",
      "SPDXRef-Executable-arm64 alga-appliance 1.2.3",
      "SPDXRef-Image alga-appliance-control-plane 1.0.3",
      "SPDXRef-Image-amd64 alga-appliance-control-plane 1.0.3",
      "SPDXRef-Image-arm64 alga-appliance-control-plane 1.0.3",
      "SPDXRef-glibc-amd64 glibc 2.36",
      "SPDXRef-glibc-arm64 glibc 2.36",
      "SPDXRef-npm-oven-bun-linux-aarch64-1.4.5 @oven/bun-linux-aarch64 1.4.5",
      "SPDXRef-npm-oven-bun-linux-x64-1.4.5 @oven/bun-linux-x64 1.4.5",
      "SPDXRef-npm-zod-4.6.7 zod 4.6.7",
    ]);
  });

  it("names every file of both platforms with both checksums", async () => {
    const { files } = (await made()).document;
    assert.equal(files.length, 14);
    assert.ok(files.every((file) => /^\.\/(?:etc|lib|lib64|usr)\//.test(file.fileName)));
    assert.ok(files.every((file) => file.checksums.map((sum) => sum.checksumValue.length).join() === "40,64"));
  });

  it("has the checksum of a package's archive in hex", async () => {
    const zod = (await made()).document.packages.find((one) => one.name === "zod");
    assert.deepEqual(zod?.checksums, [{ algorithm: "SHA512", checksumValue: `${"041041".repeat(21)}04` }]);
    assert.equal(zod?.externalRefs?.[0]?.referenceLocator, "pkg:npm/zod@4.6.7");
  });

  it("is the same for the same image, and has a namespace of its digest", async () => {
    const [one, two] = [await made(), await made()];
    assert.equal(canonicalJson(one.document), canonicalJson(two.document));
    assert.ok(one.document.documentNamespace.endsWith(one.digest.slice("sha256:".length)));
  });
});

describe("spdxDocument", () => {
  const digest = `sha256:${"1".repeat(64)}` as SbomInput["digest"];
  const input = (change: Partial<SbomInput>): SbomInput => ({
    ...ORIGIN,
    name: "x",
    digest,
    describes: "A",
    packages: [{ id: "A", name: "a", purpose: "LIBRARY" }],
    files: [],
    relationships: [],
    ...change,
  });

  it("leaves out what is no license expression", () => {
    const declared = [
      "MIT",
      "(MIT OR Apache-2.0)",
      "GPL-2.0-only WITH Classpath-exception-2.0",
      "UNLICENSED",
      "SEE LICENSE IN x",
      "a license",
      undefined,
    ];
    const packages = declared.map((license, index) => ({
      id: `P${index}`,
      name: "p",
      purpose: "LIBRARY" as const,
      license,
    }));
    const document = spdxDocument(input({ packages, describes: "P0" })) as unknown as Spdx;
    assert.deepEqual(
      document.packages.map((one) => one.licenseDeclared),
      [...declared.slice(0, 3), ...Array(4).fill("NOASSERTION")],
    );
  });

  it("refuses ids that stand twice or are no ids, and relations that lead nowhere", () => {
    const one = { id: "A", name: "a", purpose: "LIBRARY" } as const;
    assert.throws(() => spdxDocument(input({ packages: [one, one] })), /unique/);
    assert.throws(() => spdxDocument(input({ packages: [one, { ...one, id: "B_b" }] })), /"B_b"/);
    assert.throws(() => spdxDocument(input({ describes: "Z" })), /"Z"/);
    assert.throws(() => spdxDocument(input({ relationships: [{ from: "A", type: "CONTAINS", to: "Z" }] })), /"Z"/);
  });

  it("is found wrong by the rules when a field is taken away or changed", async () => {
    const { document } = await made();
    const broken: readonly Readonly<Record<string, unknown>>[] = [
      { ...document, spdxVersion: "SPDX-2.2" },
      { ...document, dataLicense: "MIT" },
      { ...document, documentNamespace: "not a uri#x" },
      { ...document, creationInfo: { created: "yesterday", creators: ["me"] } },
      {
        ...document,
        packages: document.packages.map((one) => ({
          ...one,
          packageVerificationCode: { packageVerificationCodeValue: "0" },
        })),
      },
      { ...document, files: document.files.map((file) => ({ ...file, checksums: [] })) },
      { ...document, relationships: [] },
    ];
    for (const wrong of broken) assert.notDeepEqual(checkSpdx(wrong), [], JSON.stringify(Object.keys(wrong)));
  });
});

function spdxTool(): string | undefined {
  const found = spawnSync("sh", ["-c", "command -v pyspdxtools"], { encoding: "utf8" });
  return found.status === 0 ? found.stdout.trim() : undefined;
}
