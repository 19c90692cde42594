/**
 * `ReleaseManifest` (`alga.appliance.release/v1`): the JSON that a channel points at, in the config blob of an artifact.
 *
 * Everything it refers to is pinned by version or digest, so a manifest that was read by digest never changes its
 * meaning. The bytes come from a registry and are untrusted until `parseReleaseManifest` has accepted them. Unknown
 * fields are kept everywhere: a newer publisher may add some, and what is kept on disk must be what was published.
 *
 * Fields of the first version: schema to supportReceiptKeys. Since 2026-11, all optional: flux, components,
 * tenantSecret, chartDigests, imageDigests, createdAt, minimumControlPlane, config.chartSource, additionalImages.
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import { parseInstant } from "../core/time.ts";
import { type ComponentSpec, completeComponent, componentRowSchema, defaultComponents } from "./components.ts";
import { fieldProblems } from "./field-problems.ts";
import { isNormalImage } from "./image-name.ts";
import { readVersion } from "./version.ts";

export { type ComponentSpec, DEFAULT_COMPONENTS, type WorkloadSpec } from "./components.ts";

export const RELEASE_SCHEMA = "alga.appliance.release/v1";
/** Media type of the config blob that holds the manifest, and the artifact type around it. */
export const RELEASE_CONFIG_MEDIA_TYPE = "application/vnd.alga.appliance.release.config.v1+json";
export const RELEASE_ARTIFACT_TYPE = "application/vnd.alga.appliance.release.v1";
/** Repository of the release artifacts below the base of a registry. */
export const RELEASE_REPOSITORY = "alga-appliance-release";
/** Bytes of a manifest at most: six values documents of a few kilobytes stand in it. */
export const MAX_RELEASE_BYTES = 1024 * 1024;

const digest = z.custom<Digest>(isDigest, "sha256: and 64 lower-case hex digits are wanted");
const tag = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, "a tag of letters, digits, '.', '_', '-' is wanted");
const version = z
  .string()
  .max(128)
  .refine((text) => readVersion(text) !== undefined, "a version like 1.0.3 is wanted");
/** With its host: "ghcr.io/nine-minds/alga-appliance-config", with or without oci:// before it. */
const repository = z
  .string()
  .max(255)
  .regex(
    /^(oci:\/\/)?[a-zA-Z0-9.-]+(:\d{1,5})?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+$/,
    "a repository like ghcr.io/nine-minds/alga-appliance-config is wanted",
  );
/** As `release lock` writes it, whole and normal: "docker.io/library/postgres:16". */
const imageName = z
  .string()
  .max(400)
  .refine((text) => isNormalImage(text), "a whole image name like docker.io/library/postgres:16 is wanted");
const instant = z.string().refine((text) => parseInstant(text) !== undefined, "an instant of RFC 3339 is wanted");
const key = z.string().min(1).max(253);

const releaseManifestSchema = z
  .looseObject({
    /** Names this format. Absent in the oldest releases. */
    schema: z.literal(RELEASE_SCHEMA).optional(),
    /** Version of the release; channels only ever go up. */
    version,
    /** Channel that the publisher made it for; the tag it was found under decides. */
    channel: tag.optional(),
    /** Which profile of values it carries. */
    valuesProfile: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "a profile name like single-node is wanted")
      .default("single-node"),
    /** Image key of a component -> tag of its image. */
    images: z.record(key, tag).default({}),
    /** Image key of a component -> digest of its image; absent: the tag alone names it. */
    imageDigests: z.record(key, digest).optional(),
    /**
     * Images beside those of the components, by their whole names: those of Flux's controllers, and those that charts name
     * themselves. Mirrors and bundles hold them too. Absent: the release does not say.
     */
    additionalImages: z
      .array(z.looseObject({ reference: imageName, digest }))
      .max(500)
      .optional(),
    /** Control-plane image: a tag, a whole reference, or null when the release leaves it as it is. */
    controlPlane: z.string().min(1).max(400).nullish(),
    /** The Flux base bundle. */
    config: z.looseObject({
      repository,
      version: tag.optional(),
      tag: tag.optional(),
      digest,
      /** How the bundle names its charts: each by its own source and digest, or (absent) by version in one HelmRepository. */
      chartSource: z.enum(["OCIRepository", "HelmRepository"]).optional(),
    }),
    /** Flux's own manifests as an artifact; absent: the cluster must have Flux already. */
    flux: z.looseObject({ repository, version: tag.optional(), digest }).optional(),
    /** Chart name -> version of the chart; a chart that is not named here has its version in the bundle. */
    charts: z.record(key, version).default({}),
    /** Chart name -> digest of the chart's manifest; a registry that answers another one is refused. */
    chartDigests: z.record(key, digest).optional(),
    /** File name `<component>.<profile>.yaml` -> YAML text of the component's values. */
    profileValues: z.record(key, z.string().max(256 * 1024)).default({}),
    /** Replaces the built-in table of components. */
    components: z.array(componentRowSchema).min(1).max(64).optional(),
    /** Form of the administrator's password in the initial-tenant Secret. Absent: hashed. */
    tenantSecret: z.enum(["hashed", "plaintext"]).optional(),
    /** When it was published, RFC 3339. */
    createdAt: instant.optional(),
    /** Lowest control plane that can install it. */
    minimumControlPlane: version.optional(),
    /** Image of the support agent, by digest only. */
    supportAgent: z.string().max(400).nullish(),
    /** Key id -> PEM of the keys that may sign receipts of support sessions. */
    supportReceiptKeys: z.record(z.string().max(64), z.string().max(8192)).optional(),
  })
  .superRefine((manifest, context) => {
    for (const problem of inconsistencies(manifest)) context.addIssue({ code: "custom", ...problem });
  });

export type ReleaseManifest = z.output<typeof releaseManifestSchema>;

interface Inconsistency {
  readonly path: (string | number)[];
  readonly message: string;
}

/** What single fields cannot tell: names that stand twice, dependencies and images that do not exist. */
function* inconsistencies(
  manifest: Pick<ReleaseManifest, "components" | "images" | "additionalImages">,
): Generator<Inconsistency> {
  const rows = manifest.components ?? defaultComponents("single-node");
  const seen = new Set<string>();
  for (const [index, row] of rows.entries()) {
    const at = (field: string): (string | number)[] => ["components", index, field];
    if (seen.has(row.name)) yield { path: at("name"), message: "a name that stands only once is wanted" };
    seen.add(row.name);
    const unknown = row.dependsOn.find((other) => !rows.some((candidate) => candidate.name === other));
    if (unknown !== undefined) yield { path: at("dependsOn"), message: `a component other than ${unknown} is wanted` };
  }
  const references = manifest.additionalImages?.map((one) => one.reference) ?? [];
  for (const [index, reference] of references.entries()) {
    if (references.indexOf(reference) === index) continue;
    yield { path: ["additionalImages", index, "reference"], message: "an image that stands only once is wanted" };
  }
  const needsCore = rows.some((row) => row.imageKey === "algaCore");
  if (needsCore && manifest.images.algaCore === undefined) {
    yield { path: ["images", "algaCore"], message: "a tag is wanted" };
  }
}

/**
 * Reads a release manifest from untrusted bytes.
 *
 * @throws {ApplianceError} release/unsupported-schema when it names another schema.
 * @throws {ApplianceError} release/invalid-manifest naming every wrong field in `details.errors`; a mistake of the
 *   publisher that no retry mends.
 * @throws {ApplianceError} json/... when the bytes are no strict JSON.
 */
export function parseReleaseManifest(bytes: Uint8Array | string): ReleaseManifest {
  return readReleaseManifest(parseJson(bytes, { what: "release manifest", maxBytes: MAX_RELEASE_BYTES }));
}

/** Reads a release manifest from a value that was parsed before. Throws as `parseReleaseManifest` does. */
export function readReleaseManifest(value: unknown): ReleaseManifest {
  assertSchema(value);
  const parsed = releaseManifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = fieldProblems(parsed.error, value);
  throw new ApplianceError(
    "release/invalid-manifest",
    `Cannot use release manifest: ${errors[0]?.field ?? "it"} ${errors[0]?.detail ?? "has a wrong shape"}`,
    { hint: "Choose another version of the release, and tell its publisher", details: { errors } },
  );
}

function assertSchema(value: unknown): void {
  if (!isPlainObject(value) || value.schema === undefined || value.schema === RELEASE_SCHEMA) return;
  throw new ApplianceError(
    "release/unsupported-schema",
    `Cannot use release manifest: its schema is ${JSON.stringify(value.schema)?.slice(0, 80)}, ${RELEASE_SCHEMA} is wanted`,
    { hint: "Update the control plane, or choose an older release" },
  );
}

/** The components of a release: its own table, or the built-in one under its profile. */
export function componentsOf(
  manifest: Pick<ReleaseManifest, "components" | "valuesProfile">,
): readonly ComponentSpec[] {
  if (manifest.components === undefined) return defaultComponents(manifest.valuesProfile);
  return manifest.components.map((row) => completeComponent(row, manifest.valuesProfile));
}
