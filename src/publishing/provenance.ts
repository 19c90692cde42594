/**
 * Where a release comes from: SLSA provenance v1 as an in-toto statement.
 *
 * The statement names what was made (subjects), from what (parameters and dependencies, all by digest) and by whom. It says
 * nothing that the inputs do not say: the same build gives the same bytes, and there is no clock in it but SOURCE_DATE_EPOCH.
 *
 * @see SLSA specification v1.0, "Provenance"; in-toto attestation framework v1, "Statement", "ResourceDescriptor"
 */
import type { Digest } from "../core/digest.ts";

/** Media type of a statement, and payload type of an envelope around it. */
export const STATEMENT_MEDIA_TYPE = "application/vnd.in-toto+json";
export const PROVENANCE_PREDICATE = "https://slsa.dev/provenance/v1";
/** What the parameters and dependencies of our statements mean; docs/publisher-guide.md describes it. */
const BUILD_TYPE = "https://nineminds.com/alga-appliance/build-types/release/v1";
/** Who built it when nobody says otherwise: a person's machine, whose word is worth what its key is worth. */
export const LOCAL_BUILDER = "https://nineminds.com/alga-appliance/builders/local";

/** Something by its digest. @see in-toto attestation framework v1, "ResourceDescriptor" */
export interface Resource {
  readonly name?: string;
  readonly uri?: string;
  readonly digest: { readonly sha256: string } | { readonly gitCommit: string } | { readonly sha512: string };
}

export interface ProvenanceInput {
  readonly subjects: readonly Resource[];
  /** What a caller chose. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly dependencies: readonly Resource[];
  readonly builder: { readonly id: string; readonly version: Readonly<Record<string, string>> };
  /** What the build wrote beside its results, so that a signature over the statement covers it too. */
  readonly byproducts: readonly Resource[];
  /** RFC 3339; absent: no time is written. */
  readonly builtAt?: string;
}

/** Makes the statement. Pure. */
export function provenanceStatement(input: ProvenanceInput): Readonly<Record<string, unknown>> {
  const { subjects, parameters, dependencies, byproducts, builder, builtAt } = input;
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: subjects,
    predicateType: PROVENANCE_PREDICATE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: parameters,
        internalParameters: {},
        resolvedDependencies: dependencies,
      },
      runDetails: {
        builder,
        metadata: builtAt === undefined ? {} : { startedOn: builtAt, finishedOn: builtAt },
        byproducts,
      },
    },
  };
}

/** The digest set of a digest of ours. */
export function sha256Of(digest: Digest): { readonly sha256: string } {
  return { sha256: digest.slice("sha256:".length) };
}
