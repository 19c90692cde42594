/** The provenance of a release: its subjects, parameters and dependencies out of a finished build. Pure. */
import type { Digest } from "../core/digest.ts";
import type { BuiltRelease } from "./build.ts";
import type { BuiltImage, BuiltPlatform } from "./image.ts";
import type { BundledPackage } from "./image-facts.ts";
import { ownFacts } from "./image-facts.ts";
import { LOCAL_BUILDER, type ProvenanceInput, provenanceStatement, type Resource, sha256Of } from "./provenance.ts";
import { instantOfSeconds } from "./source-date.ts";

export interface ReleaseProvenance {
  /** Digests of the two documents that the release was built from. */
  readonly documents: Readonly<Record<"release.yaml" | "release.lock.yaml", Digest>>;
  /** Bills of materials by name: digests of the documents themselves. */
  readonly bills: Readonly<Record<string, Digest>>;
  /** Where the sources are; absent: not said. */
  readonly sourceUrl?: string | undefined;
  /** Who builds; default LOCAL_BUILDER. */
  readonly builderId?: string | undefined;
  /** Seconds since 1970 that were asked for; absent: no time is written. */
  readonly createdSeconds?: number | undefined;
}

type Built = Pick<BuiltRelease, "source" | "lock" | "digest" | "configDigest" | "charts" | "image">;

/** Makes the statement for a release. The same build gives the same statement. */
export function releaseProvenance(built: Built, about: ReleaseProvenance): Readonly<Record<string, unknown>> {
  const input: ProvenanceInput = {
    subjects: subjectsOf(built),
    parameters: {
      version: built.source.version,
      registry: built.source.registry,
      documents: Object.entries(about.documents).map(([name, digest]) => ({ name, digest: sha256Of(digest) })),
    },
    dependencies: [
      ...Object.entries(built.lock.pins).map(([name, { reference, digest }]) => oci(name, reference, digest)),
      ...imageDependencies(built.image, about.sourceUrl),
    ],
    byproducts: Object.entries(about.bills).map(([name, digest]) => ({ name, digest: sha256Of(digest) })),
    builder: { id: about.builderId ?? LOCAL_BUILDER, version: builderVersion() },
    ...(about.createdSeconds === undefined ? {} : { builtAt: instantOfSeconds(about.createdSeconds) }),
  };
  return provenanceStatement(input);
}

/** Everything that the build made and that has a digest of its own. */
function subjectsOf({ source, digest, configDigest, charts, image }: Built): readonly Resource[] {
  const { registry, version } = source;
  const made = [...charts].filter(([name]) => "path" in (source.charts[name] ?? {}));
  return [
    subject(`${registry}/alga-appliance-release:${version}`, digest),
    subject(`${registry}/alga-appliance-config:${version}`, configDigest),
    ...made.map(([name, chart]) => subject(`${registry}/charts/${name}:${chart.version}`, chart.digest)),
    ...(image === undefined ? [] : imageSubjects(registry, image)),
  ];
}

function imageSubjects(registry: string, image: BuiltImage): readonly Resource[] {
  const name = `${registry}/alga-appliance-control-plane:${image.tag}`;
  return [
    subject(name, image.digest),
    ...image.platforms.map((one) => subject(`${name} linux/${one.architecture}`, one.digest)),
  ];
}

const subject = (name: string, digest: Digest): Resource => ({ name, digest: sha256Of(digest) });

const oci = (name: string, reference: string, digest: Digest): Resource => ({
  name,
  uri: `oci://${reference}`,
  digest: sha256Of(digest),
});

/** The executables, what they were built from, and the libraries or base image beside them. */
function imageDependencies(image: BuiltImage | undefined, sourceUrl: string | undefined): readonly Resource[] {
  const [first] = image?.platforms ?? [];
  if (image === undefined || first === undefined) return [];
  const { commit, lock } = first.facts;
  const repository = sourceUrl === undefined ? {} : { uri: `git+${sourceUrl}` };
  const packages = image.platforms.flatMap((one) => one.facts.packages);
  return [
    ...(commit === undefined ? [] : [{ name: "sources", ...repository, digest: { gitCommit: commit } }]),
    { name: "package-lock.json", digest: sha256Of(lock) },
    ...[...new Map(packages.map((one) => [`${one.name}@${one.version}`, one])).values()].flatMap(npmResource),
    ...image.platforms.flatMap(platformResources),
  ];
}

function npmResource({ name, version, integrity }: BundledPackage): readonly Resource[] {
  if (integrity === undefined) return [];
  const sha512 = Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex");
  return [{ name: `${name}@${version}`, uri: `pkg:npm/${name.replace("@", "%40")}@${version}`, digest: { sha512 } }];
}

function platformResources({ architecture, files, runtime }: BuiltPlatform): readonly Resource[] {
  const { base, origin, what } = runtime.source;
  const executable = files.filter((file) => file.kind === "executable");
  const libraries = files.filter((file) => file.kind === "library");
  const from = (name: string) => `${name} (linux/${architecture})`;
  return [
    ...executable.map((file) => ({ name: from("executable"), digest: sha256Of(file.digest) })),
    ...(base === undefined ? [] : [baseResource(from("base image"), base)]),
    ...(origin === undefined
      ? []
      : [
          {
            name: from(what),
            ...(origin.purl === undefined ? {} : { uri: origin.purl }),
            digest: sha256Of(origin.digest),
          },
        ]),
    ...libraries.map((file) => ({ name: from(file.path), digest: sha256Of(file.digest) })),
  ];
}

function baseResource(name: string, base: { readonly name?: string; readonly digest: Digest }): Resource {
  return base.name === undefined ? { name, digest: sha256Of(base.digest) } : oci(name, base.name, base.digest);
}

/** What built: this executable, by version and commit, and the runtime that it is. */
function builderVersion(): Readonly<Record<string, string>> {
  const own = ownFacts();
  if (own === undefined) return { "alga-appliance": "source" };
  const runtime = own.packages.find((one) => one.kind === "runtime");
  return {
    "alga-appliance": `${own.version}+${own.revision}`,
    ...(runtime === undefined ? {} : { [runtime.name]: runtime.version }),
  };
}
