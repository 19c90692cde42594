/**
 * Reading one manifest or index: bounded, hashed, compared with what was asked for, and only then parsed.
 *
 * @see OCI distribution-spec v1.1.1, "Pulling manifests"
 */
import { type Digest, digestOf, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { failedAnswer } from "./answers.ts";
import { headerDigestMismatch, htmlAnswer } from "./blob.ts";
import { readBytes } from "./body.ts";
import { bareMediaType } from "./media-types.ts";
import {
  type Descriptor,
  type IndexDocument,
  MAX_MANIFEST_BYTES,
  type ParsedDocument,
  type Platform,
  parseDocument,
} from "./model.ts";

export interface ManifestAnswer {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly document: ParsedDocument;
}

export interface ManifestRequest {
  /** Tag or digest that was asked for. */
  readonly reference: string;
  /** Whole reference, for messages. */
  readonly what: string;
  /** Set when a descriptor named it: its size must be right too. */
  readonly size?: number | undefined;
  /** Set when an earlier read of the tag gave this digest. */
  readonly expect?: Digest | undefined;
  readonly maxBytes?: number | undefined;
  readonly clock: Clock;
  readonly idleMs?: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * Reads the answer to a manifest request.
 *
 * @throws {ApplianceError} oci/digest-mismatch, oci/header-digest-mismatch, oci/size-mismatch, oci/tag-moved,
 *   oci/too-large, oci/unexpected-answer for a web page, and what `parseDocument` throws.
 */
export async function readManifest(response: Response, request: ManifestRequest): Promise<ManifestAnswer> {
  const { what } = request;
  if (response.status !== 200) throw await failedAnswer(response, { what, clock: request.clock });
  const contentType = response.headers.get("content-type") ?? "";
  if (bareMediaType(contentType) === "text/html") {
    await response.body?.cancel();
    throw htmlAnswer(what);
  }
  const maxBytes = request.maxBytes ?? MAX_MANIFEST_BYTES;
  const bytes = await readBytes(response, { ...request, what: `manifest of "${what}"`, maxBytes });
  const digest = digestOf(bytes);
  checkDigest(digest, { request, header: response.headers.get("docker-content-digest") });
  if (request.size !== undefined && request.size !== bytes.length) {
    throw new ApplianceError(
      "oci/size-mismatch",
      `Cannot use manifest of "${what}": it has ${bytes.length} bytes, ${request.size} are wanted`,
    );
  }
  const document = parseDocument(bytes, { contentType, what });
  const parsed = document.kind === "index" ? document.index : document.manifest;
  const artifactType = parsed.artifactType === undefined ? {} : { artifactType: parsed.artifactType };
  return { descriptor: { mediaType: parsed.mediaType, digest, size: bytes.length, ...artifactType }, bytes, document };
}

function checkDigest(
  digest: Digest,
  given: { readonly request: ManifestRequest; readonly header: string | null },
): void {
  const { request, header } = given;
  if (isDigest(request.reference) && digest !== request.reference) {
    throw new ApplianceError(
      "oci/digest-mismatch",
      `Cannot use manifest of "${request.what}": its bytes have the digest ${digest}`,
      { hint: "Do not use this registry before somebody has looked at it" },
    );
  }
  if (header !== null && header !== digest) throw headerDigestMismatch(request.what, header);
  if (request.expect !== undefined && request.expect !== digest) {
    throw new ApplianceError(
      "oci/tag-moved",
      `Cannot use "${request.what}": it pointed at ${request.expect} and points at ${digest} now`,
      { hint: "Start again: what was planned is not what the tag names now" },
    );
  }
}

export interface IndexChoice {
  readonly platform?: Platform | undefined;
  readonly artifactType?: string | undefined;
}

/**
 * Picks the entry of an index for an artifact type or a platform; the only entry when nothing is asked for.
 *
 * @throws {ApplianceError} oci/no-platform when none or several would do.
 */
export function chooseEntry(index: IndexDocument, choice: IndexChoice, what: string): Descriptor {
  const fits = index.manifests.filter((entry) => isWanted(entry, choice));
  const [only] = fits;
  const asksNothing = choice.platform === undefined && choice.artifactType === undefined;
  if (only !== undefined && (fits.length === 1 || !asksNothing)) return only;
  const wanted = describeChoice(choice);
  throw new ApplianceError(
    "oci/no-platform",
    `Cannot choose from index "${what}": ${fits.length} of its ${index.manifests.length} entries fit, ${wanted} is wanted`,
  );
}

function isWanted(entry: Descriptor, choice: IndexChoice): boolean {
  if (choice.artifactType !== undefined && entry.artifactType !== choice.artifactType) return false;
  const { platform } = choice;
  if (platform === undefined) return true;
  const isSame = entry.platform?.os === platform.os && entry.platform.architecture === platform.architecture;
  return isSame && (platform.variant === undefined || entry.platform?.variant === platform.variant);
}

function describeChoice(choice: IndexChoice): string {
  if (choice.artifactType !== undefined) return `an artifact of type ${choice.artifactType}`;
  if (choice.platform !== undefined) return `one for ${choice.platform.os}/${choice.platform.architecture}`;
  return "exactly one";
}
