/**
 * `release.yaml`: what a release is made of, as its publisher writes it (`alga.appliance.release-source/v1`).
 *
 * It lies at the top of a source tree and names everything else: charts as folders or references, images by tag, the values of
 * the profile, the tree of Flux. It holds no digest; those stand in `release.lock.yaml` beside it. Paths are relative to the
 * tree and stay inside it. Fields are strict: a name that is not known here is a mistake of writing.
 */
import { join, normalize } from "node:path/posix";
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import { readYaml } from "../flux/yaml.ts";
import { parseReference } from "../oci/reference.ts";
import { componentRowSchema } from "../release/components.ts";
import { fieldProblems } from "../release/field-problems.ts";
import { type ImageName, imageText, isBaked, readImageName } from "../release/image-name.ts";
import { type ComponentSpec, componentsOf } from "../release/model.ts";
import { updateRulesSchema } from "../release/update-rules.ts";
import { readVersion } from "../release/version.ts";

export const SOURCE_FILE = "release.yaml";
const SOURCE_SCHEMA = "alga.appliance.release-source/v1";
/** A source of six components has a few kilobytes. */
const MAX_SOURCE_BYTES = 1024 * 1024;

const path = z
  .string()
  .min(1)
  .max(1_000)
  .refine((text) => isInside(text), "a path inside the source tree is wanted");
const version = z
  .string()
  .max(128)
  .refine((text) => readVersion(text) !== undefined, "a version like 1.0.3 is wanted");
const tag = z.preprocess(
  // Short commit ids like 62034288 are read as numbers.
  (value) => (typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value),
  z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, "a tag of letters, digits, '.', '_', '-' is wanted"),
);
const repository = z
  .string()
  .max(255)
  .regex(
    /^[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/,
    "a repository below the base is wanted: alga-psa-ee",
  );
/** A reference without tag and digest; the version beside it is the tag. */
const reference = z
  .string()
  .max(400)
  .refine(isBareReference, "a repository like oci://ghcr.io/nine-minds/charts/temporal is wanted");
const place = z
  .string()
  .regex(
    /^[a-z0-9.-]+(:\d{1,5})?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/,
    "a registry and base like ghcr.io/nine-minds are wanted",
  );
const channel = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, "a channel of small letters is wanted: stable")
  .refine((text) => readVersion(text) === undefined, "a name that is no version is wanted");
const referenced = z.strictObject({ reference, version });

const sourceSchema = z.strictObject({
  schema: z.literal(SOURCE_SCHEMA),
  /** Of the release; channels only ever go up. */
  version,
  /** Channels that may point at it; the first one is written into the manifest. */
  channels: z.array(channel).min(1).max(16).default(["nightly", "stable"]),
  /** Where it is published: all its own repositories lie below. A mirror moves all of them together. */
  registry: place.default("ghcr.io/nine-minds"),
  /** Name of the profile of values. */
  profile: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "a profile name like single-node is wanted")
    .default("single-node"),
  /** Image key of a component -> its image below the base. The repository may be left out: the component names it. */
  images: z.record(z.string().min(1).max(64), z.strictObject({ repository: repository.optional(), tag })),
  /**
   * Images that charts name themselves: "docker.io/library/postgres:16". Mirrors and bundles hold them too. Flux's controllers
   * are not written down here: the lock finds them.
   */
  additionalImages: z.array(z.string().max(400)).max(200).default([]),
  /** "build": from executables, by this build. Or the tag of one that is in the registry. */
  controlPlane: z
    .union([z.literal("build"), z.strictObject({ tag })], { error: "build, or an object with a tag is wanted" })
    .default("build"),
  /** Chart name -> a folder (or a packed .tgz) in the tree, or a chart that is in a registry. */
  charts: z.record(
    z.string().min(1).max(64),
    z.union([z.strictObject({ path }), referenced], {
      error: "an object with a path, or with reference and version is wanted",
    }),
  ),
  /** Component -> file with its values. Absent: profiles/<profile>/values/<component>.<profile>.yaml of the flux tree. */
  values: z.record(z.string().min(1).max(64), path).default({}),
  /** Folder with base/ and profiles/. Absent: the one that this executable carries. */
  tree: path.optional(),
  /** Flux's own manifests. Absent: boxes must have Flux already. */
  flux: referenced.optional(),
  /** Lowest control plane that can install it. */
  minimumControlPlane: version.optional(),
  /** Required stops, migrations that cannot be undone, the data floor. */
  update: updateRulesSchema.optional(),
  tenantSecret: z.enum(["hashed", "plaintext"]).optional(),
  /** Replaces the built-in table of components. */
  components: z.array(componentRowSchema).min(1).max(64).optional(),
  /** Image of the support agent, by digest only. */
  supportAgent: z.string().max(400).optional(),
  supportReceiptKeys: z.record(z.string().max(64), z.string().max(8192)).optional(),
});

export type ReleaseSource = z.output<typeof sourceSchema>;
/** Something in a registry that is named by a repository and a version. */
export type Referenced = z.output<typeof referenced>;

/**
 * Reads and checks `release.yaml` of a source tree.
 *
 * @param folder Absolute path of the tree.
 * @throws {ApplianceError} build/missing-input when there is none; build/bad-source with one entry per wrong field in
 *   `details.errors`, the message naming the first.
 */
export async function readSource({ files }: Pick<Deps, "files">, folder: string): Promise<ReleaseSource> {
  const bytes = await files.read(join(folder, SOURCE_FILE), { maxBytes: MAX_SOURCE_BYTES });
  if (bytes === undefined) {
    throw new ApplianceError(
      "build/missing-input",
      `Cannot read release source "${folder}": it has no ${SOURCE_FILE}, one is wanted`,
      { hint: "Name the folder of the source tree; its format is told in docs/publisher-guide.md" },
    );
  }
  return parseSource(new TextDecoder().decode(bytes));
}

/** Checks the text of a `release.yaml`. Throws build/bad-source as `readSource` does. */
export function parseSource(text: string): ReleaseSource {
  const [document] = readYaml(text, { what: SOURCE_FILE, code: "build/bad-source" });
  const parsed = sourceSchema.safeParse(document ?? {});
  if (!parsed.success) throw badFields(fieldProblems(oneEach(parsed.error), document));
  const problems = inconsistencies(parsed.data);
  if (problems.length > 0) throw badFields(problems);
  return parsed.data;
}

/** The components of a source: its own table, or the built-in one under its profile. */
export function sourceComponents(source: ReleaseSource): readonly ComponentSpec[] {
  const { components, profile } = source;
  return componentsOf({ valuesProfile: profile, ...(components === undefined ? {} : { components }) });
}

/** Image key -> repository below the base, as the components name it. */
export function imageRepositories(source: ReleaseSource): ReadonlyMap<string, string> {
  return new Map(
    sourceComponents(source).flatMap(({ imageKey, imageRepository }) =>
      imageKey === undefined || imageRepository === undefined ? [] : [[imageKey, imageRepository] as const],
    ),
  );
}

/** A field that is not known is a problem of its own, under its own name. */
function oneEach(error: z.ZodError): z.ZodError {
  const issues = error.issues.flatMap((issue): z.core.$ZodIssue[] => {
    if (issue.code !== "unrecognized_keys") return [issue];
    const message = "no field of that name is wanted";
    return issue.keys.map((key) => ({ code: "custom", path: [...issue.path, key], message, input: undefined }));
  });
  return new z.ZodError(issues);
}

type Problem = ReturnType<typeof fieldProblems>[number];

/** What single fields cannot tell: every component has its chart and its image, and nothing is named for nobody. */
function inconsistencies(source: ReleaseSource): readonly Problem[] {
  const charts = new Set(sourceComponents(source).map((component) => component.chart));
  const images = imageRepositories(source);
  const names = new Set(sourceComponents(source).map((component) => component.name));
  return [
    ...absent("charts", charts, source.charts),
    ...absent("images", new Set(images.keys()), source.images),
    ...unknown("charts", charts, source.charts),
    ...unknown("images", new Set(images.keys()), source.images),
    ...unknown("values", names, source.values),
    ...wrongImages(source.additionalImages),
    ...Object.entries(source.images).flatMap(([key, image]) => {
      const wanted = images.get(key);
      if (image.repository === undefined || wanted === undefined || image.repository === wanted) return [];
      return [problem(`images.${key}.repository`, image.repository, `${wanted} is wanted, as the component names it`)];
    }),
  ];
}

/** Each has a tag or a digest, lies in a registry, and stands once in whatever spelling. */
function wrongImages(images: readonly string[]): readonly Problem[] {
  const seen = new Set<string>();
  return images.flatMap((text, index) => {
    const wrong = (wanted: string): readonly Problem[] => [problem(`additionalImages[${index}]`, text, wanted)];
    const image = imageOrNone(text);
    if (image === undefined) return wrong("an image like docker.io/library/postgres:16 is wanted");
    if (!/[:@]/.test(text.slice(text.lastIndexOf("/") + 1))) return wrong("a tag or a digest of it is wanted");
    if (isBaked(image)) return wrong("an image in a registry is wanted, localhost is none");
    const whole = imageText(image);
    if (seen.has(whole)) return wrong("an image that stands only once is wanted");
    seen.add(whole);
    return [];
  });
}

function imageOrNone(text: string): ImageName | undefined {
  try {
    return readImageName(text);
  } catch {
    return undefined;
  }
}

function absent(field: string, wanted: ReadonlySet<string>, given: object): readonly Problem[] {
  return [...wanted]
    .filter((key) => !Object.hasOwn(given, key))
    .map((key) => ({ field: `${field}.${key}`, code: "missing", detail: "is absent, an object is wanted" }));
}

function unknown(field: string, wanted: ReadonlySet<string>, given: object): readonly Problem[] {
  return Object.keys(given)
    .filter((key) => !wanted.has(key))
    .map((key) => ({
      field: `${field}.${key}`,
      code: "unknown",
      detail: `is for no component, ${[...wanted].join(", ")} are wanted`,
    }));
}

function problem(field: string, is: string, wanted: string): Problem {
  return { field, code: "custom", detail: `is ${JSON.stringify(is)}, ${wanted}` };
}

function badFields(errors: readonly Problem[]): ApplianceError {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  return new ApplianceError(
    "build/bad-source",
    `Cannot use ${SOURCE_FILE}: ${first?.field ?? "it"} ${first?.detail ?? "has a wrong shape"}${more}`,
    { hint: "The fields are told in docs/publisher-guide.md", details: { errors } },
  );
}

function isInside(text: string): boolean {
  const clean = normalize(text);
  return !clean.startsWith("/") && clean !== ".." && !clean.startsWith("../") && !text.includes("\0");
}

function isBareReference(text: string): boolean {
  try {
    const parsed = parseReference(text);
    return parsed.tag === undefined && parsed.digest === undefined && isPlainObject(parsed);
  } catch {
    return false;
  }
}
