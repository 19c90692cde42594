/** The bill of materials of a release: the artifacts that it names, each by its digest. */
import type { Digest } from "../core/digest.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import type { BuiltRelease } from "./build.ts";
import { CONFIG_REPOSITORY } from "./config-bundle.ts";
import { CONTROL_PLANE_REPOSITORY } from "./image.ts";
import { type SbomPackage, spdxDocument } from "./sbom.ts";
import type { SbomOrigin } from "./sbom-image.ts";

type Built = Pick<BuiltRelease, "source" | "lock" | "digest" | "configDigest" | "charts" | "image">;

const RELEASE = "Release";

/** Describes a release as an SPDX document. What its images hold stands in their own documents. */
export function releaseSbom(built: Built, origin: SbomOrigin): Readonly<Record<string, unknown>> {
  const { source, digest } = built;
  const parts = [...madeParts(built), ...pinnedParts(built)];
  return spdxDocument({
    ...origin,
    name: `${RELEASE_REPOSITORY}-${source.version}`,
    digest,
    describes: RELEASE,
    packages: [
      artifact(RELEASE, { reference: `${source.registry}/${RELEASE_REPOSITORY}:${source.version}`, digest }),
      ...parts,
    ],
    files: [],
    relationships: parts.map((part) => ({ from: RELEASE, type: "DEPENDS_ON", to: part.id })),
  });
}

function madeParts({ source, configDigest, charts, image }: Built): readonly SbomPackage[] {
  const { registry, version } = source;
  const local = [...charts].filter(([name]) => "path" in (source.charts[name] ?? {}));
  return [
    artifact("Config", { reference: `${registry}/${CONFIG_REPOSITORY}:${version}`, digest: configDigest }),
    ...local.map(([name, chart]) =>
      artifact(`Chart-${plain(name)}`, {
        reference: `${registry}/charts/${name}:${chart.version}`,
        digest: chart.digest,
      }),
    ),
    ...(image === undefined
      ? []
      : [
          artifact("ControlPlane", {
            reference: `${registry}/${CONTROL_PLANE_REPOSITORY}:${image.tag}`,
            digest: image.digest,
            isImage: true,
          }),
        ]),
  ];
}

function pinnedParts({ lock }: Built): readonly SbomPackage[] {
  return Object.entries(lock.pins).map(([name, { reference, digest }]) =>
    artifact(`Pinned-${plain(name)}`, { reference, digest, isImage: /image/.test(name) }),
  );
}

/** @see package-url specification, type "oci": the last part of the repository is the name, the rest a qualifier */
function artifact(
  id: string,
  about: { readonly reference: string; readonly digest: Digest; readonly isImage?: boolean },
): SbomPackage {
  const { reference, digest, isImage = false } = about;
  const at = reference.indexOf("@");
  const colon = at < 0 ? reference.lastIndexOf(":") : at;
  const [repository, tag] = [reference.slice(0, colon), reference.slice(colon + 1)];
  const name = repository.slice(repository.lastIndexOf("/") + 1);
  const qualifiers = new URLSearchParams({ repository_url: repository, tag });
  return {
    id,
    name: repository,
    version: tag,
    purpose: isImage ? "CONTAINER" : "ARCHIVE",
    purl: `pkg:oci/${name}@${encodeURIComponent(digest)}?${qualifiers}`,
    checksums: [{ algorithm: "SHA256", value: digest.slice("sha256:".length) }],
  };
}

const plain = (name: string): string => name.replace(/[^A-Za-z0-9.]+/g, "-");
