/** Hanging bill of materials and provenance on what a build made: the last step of `release build` and `release image`. */
import { join } from "node:path/posix";
import { type Digest, digestOf } from "../core/digest.ts";
import type { Deps } from "../core/ports.ts";
import type { RegistryStore } from "../oci/store.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { type AttestationInput, attach, documentBytes } from "./attestations.ts";
import type { BuiltRelease } from "./build.ts";
import { type BuiltImage, CONTROL_PLANE_REPOSITORY } from "./image.ts";
import { ownFacts } from "./image-facts.ts";
import { LOCK_FILE } from "./lock-file.ts";
import { releaseProvenance } from "./provenance-release.ts";
import { imageSbom } from "./sbom-image.ts";
import { releaseSbom } from "./sbom-release.ts";
import { SOURCE_FILE } from "./source.ts";
import { instantOfSeconds } from "./source-date.ts";

export interface AttestOptions {
  /** The source tree. */
  readonly folder: string;
  readonly sourceUrl?: string | undefined;
  /** Who builds, as a URI; default: a person's machine. */
  readonly builderId?: string | undefined;
  /** Seconds since 1970 that were asked for; absent: the provenance holds no time. */
  readonly createdSeconds?: number | undefined;
  /** Puts the provenance into a signed envelope; absent: it is not signed. */
  readonly seal?: AttestationInput["seal"] | undefined;
}

/** Digests of the artifacts that were attached. */
export interface Attested {
  readonly releaseSbom: Digest;
  readonly releaseProvenance: Digest;
  readonly imageSbom?: Digest;
  readonly imageProvenance?: Digest;
}

/**
 * Attaches to the release, and to the control-plane image where one was built. Safe to call again: same build, same digests.
 *
 * @throws {ApplianceError} file/unreadable when the documents of the tree cannot be read any more.
 */
export async function attestRelease(
  deps: Pick<Deps, "files">,
  built: BuiltRelease,
  options: AttestOptions,
): Promise<Attested> {
  const { store, image } = built;
  const created = instantOfSeconds(built.createdSeconds);
  const origin = { created, tool: toolName() };
  const bills = {
    release: releaseSbom(built, origin),
    ...(image === undefined ? {} : { "control-plane image": imageSbom(image, origin) }),
  };
  const statement = releaseProvenance(built, {
    ...options,
    documents: {
      [SOURCE_FILE]: await digestOfFile(deps, join(options.folder, SOURCE_FILE)),
      [LOCK_FILE]: await digestOfFile(deps, join(options.folder, LOCK_FILE)),
    },
    bills: Object.fromEntries(Object.entries(bills).map(([name, bill]) => [name, digestOf(documentBytes(bill))])),
  });
  const release = { repository: RELEASE_REPOSITORY, digest: built.digest };
  const provenance: AttestationInput = { kind: "provenance", document: statement, created, seal: options.seal };
  return {
    releaseSbom: attach(store, release, { kind: "sbom", document: bills.release, created }),
    releaseProvenance: attach(store, release, provenance),
    ...(image === undefined
      ? {}
      : {
          imageSbom: attestImage(store, image, built.createdSeconds),
          imageProvenance: attach(store, { repository: CONTROL_PLANE_REPOSITORY, digest: image.digest }, provenance),
        }),
  };
}

/** Attaches the bill of materials to an image alone. Safe to call again. */
export function attestImage(store: RegistryStore, image: BuiltImage, createdSeconds: number): Digest {
  const created = instantOfSeconds(createdSeconds);
  const document = imageSbom(image, { created, tool: toolName() });
  return attach(
    store,
    { repository: CONTROL_PLANE_REPOSITORY, digest: image.digest },
    { kind: "sbom", document, created },
  );
}

function toolName(): string {
  return `alga-appliance-${ownFacts()?.version ?? "source"}`;
}

/** Documents of a source tree; their own readers have the same bound. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;

async function digestOfFile({ files }: Pick<Deps, "files">, path: string): Promise<Digest> {
  return digestOf((await files.read(path, { maxBytes: MAX_DOCUMENT_BYTES })) ?? new Uint8Array());
}
