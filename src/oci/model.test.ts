import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { utf8 } from "../../test/support/oci.ts";
import { digestOf } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { parseChallenge } from "./challenge.ts";
import { MEDIA } from "./media-types.ts";
import { parseDocument } from "./model.ts";
import { parseReference } from "./reference.ts";
import { readTarGz } from "./tar.ts";

const DESCRIPTOR = { mediaType: MEDIA.config, digest: digestOf("x"), size: 1 };

function read(document: unknown, contentType: string) {
  return parseDocument(utf8(JSON.stringify(document)), { contentType, what: "registry.test/a:b" });
}

describe("parseDocument()", () => {
  it("reads manifests and indexes of OCI and Docker", () => {
    for (const mediaType of [MEDIA.manifest, MEDIA.dockerManifest]) {
      const document = { schemaVersion: 2, mediaType, config: DESCRIPTOR, layers: [DESCRIPTOR] };
      assert.equal(read(document, `${mediaType}; charset=utf-8`).kind, "manifest");
    }
    for (const mediaType of [MEDIA.index, MEDIA.dockerIndex]) {
      const manifests = [{ ...DESCRIPTOR, platform: { os: "linux", architecture: "arm", variant: "v7" } }];
      assert.equal(read({ schemaVersion: 2, mediaType, manifests }, mediaType).kind, "index");
    }
  });

  it("takes the media type of the answer when the document has none", () => {
    const parsed = read({ schemaVersion: 2, config: DESCRIPTOR, layers: [] }, MEDIA.manifest);
    assert.ok(parsed.kind === "manifest" && parsed.manifest.mediaType === MEDIA.manifest);
  });

  it("names the field that is wrong", () => {
    const bad = { schemaVersion: 2, config: { ...DESCRIPTOR, size: "1" }, layers: [] };
    assert.throws(
      () => read(bad, MEDIA.manifest),
      (e) => isApplianceError(e, "oci/bad-manifest") && e.message.includes("config.size"),
    );
  });
});

describe("whatever comes in", () => {
  /** Nothing but one of our errors may come out. */
  function survives(work: () => unknown): void {
    try {
      work();
    } catch (thrown) {
      assert.ok(thrown instanceof ApplianceError, String(thrown));
    }
  }

  it("is a document, a reference, a challenge, an archive, or one of our errors", () => {
    const field = fc.oneof(fc.jsonValue(), fc.constant(DESCRIPTOR), fc.array(fc.constant(DESCRIPTOR)));
    const document = fc.record(
      { schemaVersion: fc.constantFrom(1, 2, "2"), mediaType: field, config: field, layers: field, manifests: field },
      { requiredKeys: [] },
    );
    fc.assert(fc.property(document, (value) => survives(() => read(value, MEDIA.manifest))));
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) =>
        survives(() => parseReference(text, { registry: "a.test" })),
      ),
    );
    fc.assert(fc.property(fc.string(), (text) => survives(() => parseChallenge(text, "a.test"))));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => survives(() => readTarGz(gzipSync(bytes)))));
  });
});
