/**
 * Names of images as charts and pods write them, and their one normal form: "postgres" is "docker.io/library/postgres:latest".
 *
 * @see distribution/reference v0.6, "normalized names" (docker.io and library/ are left out); kubelet takes the same rules
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isRepository, parseReference, type Reference } from "../oci/reference.ts";

export interface ImageName {
  /** "docker.io/library/postgres". */
  readonly name: string;
  /** Host and port of the registry that has it: "docker.io". */
  readonly registry: string;
  /** "library/postgres". */
  readonly repository: string;
  /** Absent when only a digest names it. */
  readonly tag?: string;
  readonly digest?: Digest;
}

const DOCKER = "docker.io";
/** Other names of the same registry. */
const DOCKER_ALIASES = ["index.docker.io", "registry-1.docker.io"];

/**
 * Reads the name of an image in any of its spellings.
 *
 * @throws {ApplianceError} oci/bad-reference, oci/bad-digest when it is none, or its registry is an IPv6 address, which has
 *   no place below a base.
 */
export function readImageName(text: string): ImageName {
  const { registry: host, repository: path, tag, digest } = parseReference(text, { registry: DOCKER });
  const registry = DOCKER_ALIASES.includes(host) ? DOCKER : host;
  const repository = registry === DOCKER && !path.includes("/") ? `library/${path}` : path;
  const name = `${registry}/${repository}`;
  if (!isRepository(name.replace(":", "_"))) {
    throw new ApplianceError(
      "oci/bad-reference",
      `Cannot use image "${text.slice(0, 200)}": its registry is no name that a repository can hold`,
      { hint: "Name the registry by its host name" },
    );
  }
  const isBare = tag === undefined && digest === undefined;
  return {
    name,
    registry,
    repository,
    ...(isBare ? { tag: "latest" } : tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The name of an image as text: whole, with its tag where it has one, else with its digest. */
export function imageText({ name, tag, digest }: Pick<ImageName, "name" | "tag" | "digest">): string {
  return tag === undefined ? `${name}@${digest}` : `${name}:${tag}`;
}

/** Tells whether a text is the normal form that `imageText` writes. */
export function isNormalImage(text: string): boolean {
  try {
    return imageText(readImageName(text)) === text;
  } catch {
    return false;
  }
}

/** The spellings of a name without tag and digest by which charts write it: "postgres", "library/postgres" and so on. */
export function spellingsOf(name: string): readonly string[] {
  if (!name.startsWith(`${DOCKER}/`)) return [name];
  const path = name.slice(DOCKER.length + 1);
  const short = path.startsWith("library/") ? [path.slice("library/".length), `${DOCKER}/${path.slice(8)}`] : [];
  return [...new Set([name, path, ...short, ...DOCKER_ALIASES.map((alias) => `${alias}/${path}`)])];
}

/**
 * Tells whether an image is one that nobody pulls: `localhost/` without a port is what builders call images that have no
 * registry, and what is baked into a box. @see podman-build(1), "--tag"
 */
export function isBaked({ registry }: Pick<ImageName, "registry">): boolean {
  return registry === "localhost";
}

/** Where the API of a registry answers: Docker Hub has another host for it. @see docker/distribution, "registry-1.docker.io" */
export function apiHost(registry: Reference["registry"]): string {
  return registry === DOCKER ? "registry-1.docker.io" : registry;
}
