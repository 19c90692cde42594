// Every image of the lab: what is real, what is a stand-in, and which program each holds.

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BuiltImage, buildImage, sharedLibraries } from "./images.ts";
import { CACHE, keyOf, LAB_SOURCES, REPOSITORY } from "./places.ts";
import { run, say } from "./shell.ts";
import { ensureTools } from "./tools.ts";

export interface LabImages {
  /** Imported into the box at its first start, as an ISO would bring them. */
  readonly pause: BuiltImage;
  readonly coredns: BuiltImage;
  readonly provisioner: BuiltImage;
  readonly busybox: BuiltImage;
  readonly controlPlane: BuiltImage;
  /** Pulled by the box from the registry. */
  readonly standins: BuiltImage;
  readonly kustomizeController: BuiltImage;
  readonly helmController: BuiltImage;
}

/** Printed at every run: what of the lab is not the real thing. */
export const STAND_INS: readonly string[] = [
  "source-controller: a stand-in (OCIRepository only); its modules do not build",
  "helm-controller: a stand-in that runs the real helm v4.3.1; its modules do not build",
  "database, cache, pooler, temporal, workers, e-mail service, web application, bootstrap job: stand-ins in six small charts",
  "k3s: its parts as separate real processes (Kubernetes 1.36.3, containerd 2.4.2, etcd) under one unit of that name",
  "the machine: systemd-nspawn, so the kernel, its clock and its disk are shared with this machine",
];

/** Nobody pulls from there. */
export const BAKED_PARTS = "localhost/lab-parts:1";
const CONTROL_PLANE_IMAGE = "localhost/alga-appliance-control-plane:baked";

/** Builds what is not in the cache. The control plane's image holds `dist/alga-appliance`, as it is now. */
export function ensureImages(): LabImages {
  const tools = ensureTools(["pause", "coredns", "local-path-provisioner", "kustomize-controller", "helm"]);
  const standins = ensureStandins();
  const libraries = sharedLibraries(standins);
  const single = (name: string, program: string) =>
    buildImage({
      name: `localhost/${name}:1`,
      files: { [`/${name}`]: tools[program] ?? "" },
      entrypoint: [`/${name}`],
    });
  return {
    pause: single("pause", "pause"),
    coredns: single("coredns", "coredns"),
    ...storageImages({ provisioner: "localhost/local-path-provisioner:1", helper: "localhost/busybox:1" }),
    controlPlane: controlPlaneImage(),
    standins: buildImage({
      name: "localhost/lab-parts:1",
      files: { "/standins": standins, ...libraries },
      entrypoint: ["/standins"],
      user: "65534:65534",
      folders: ["/tmp"],
    }),
    kustomizeController: buildImage({
      name: "localhost/kustomize-controller:1",
      files: { "/kustomize-controller": tools["kustomize-controller"] ?? "" },
      entrypoint: ["/kustomize-controller"],
      user: "65534:65534",
      folders: ["/tmp"],
    }),
    helmController: buildImage({
      name: "localhost/helm-controller:1",
      files: { "/standins": standins, "/helm": tools.helm ?? "", ...libraries },
      entrypoint: ["/standins"],
      user: "65534:65534",
      folders: ["/tmp"],
    }),
  };
}

/** The storage provisioner and the shell that it runs, under the names that a box knows them by. */
export function storageImages(names: {
  readonly provisioner: string;
  readonly helper: string;
}): Pick<LabImages, "provisioner" | "busybox"> {
  const program = "/usr/local/bin/local-path-provisioner";
  const built = ensureTools(["local-path-provisioner"])["local-path-provisioner"] ?? "";
  return {
    provisioner: buildImage({ name: names.provisioner, files: { [program]: built }, entrypoint: [program] }),
    busybox: buildImage({ name: names.helper, files: busyboxFiles(), entrypoint: ["/bin/busybox"] }),
  };
}

/**
 * The image of the executable under test, built by itself as a publisher builds it, and named as the box expects it.
 * @throws {Error} when `dist/alga-appliance` has not been built, or refuses
 */
function controlPlaneImage(): BuiltImage {
  const executable = testedExecutable();
  const folder = join(CACHE, "images", `control-plane-${keyOf([executable])}`);
  const layout = join(folder, "layout");
  const index = join(layout, "index.json");
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    const built = join(unfinished, "built");
    mkdirSync(unfinished, { recursive: true });
    run([executable, "release", "image", "--runtime-libs", "/", "--tag", "lab", "--out", built]);
    const copy = ["skopeo", "copy", "-q", "--preserve-digests", `oci:${built}:alga-appliance-control-plane:lab`];
    run([...copy, `oci:${join(unfinished, "layout")}:${CONTROL_PLANE_IMAGE}`]);
    nameForContainerd(join(unfinished, "layout/index.json"));
    rmSync(built, { recursive: true });
    run([
      "tar",
      "-C",
      join(unfinished, "layout"),
      "--sort=name",
      "--mtime=@0",
      "-cf",
      join(unfinished, "image.tar"),
      ".",
    ]);
    renameSync(unfinished, folder);
  }
  const { digest } = JSON.parse(readFileSync(index, "utf8")).manifests[0];
  return { name: CONTROL_PLANE_IMAGE, layout, archive: join(folder, "image.tar"), digest };
}

/** containerd imports an archive under this annotation; skopeo writes the one of OCI only. */
function nameForContainerd(file: string): void {
  const index = JSON.parse(readFileSync(file, "utf8"));
  for (const manifest of index.manifests)
    manifest.annotations = { ...manifest.annotations, "io.containerd.image.name": CONTROL_PLANE_IMAGE };
  writeFileSync(file, JSON.stringify(index));
}

/** The compiled executable under test. @throws {Error} when it has not been built */
export function testedExecutable(): string {
  const executable = process.env.ALGA_LAB_EXECUTABLE ?? join(REPOSITORY, "dist/alga-appliance");
  if (existsSync(executable)) return executable;
  throw new Error(`Cannot use the executable: ${executable} is absent, run npm run build`);
}

/**
 * What an ISO would bring beside the control plane: the image of the charts' own parts, which no release names. The folder makes
 * it another image than that of the registry: kubelet asks a registry again about an image that it has pulled once, under
 * whatever name it lies there too.
 */
export function bakedParts(): BuiltImage {
  const standins = ensureStandins();
  const files = { "/standins": standins, ...sharedLibraries(standins) };
  const folders = ["/tmp", "/baked"];
  return buildImage({ name: BAKED_PARTS, files, entrypoint: ["/standins"], user: "65534:65534", folders });
}

/** The application in a version whose web server ends as soon as it starts; its other parts work. */
export function brokenApplication(): BuiltImage {
  const standins = ensureStandins();
  const files = { "/standins": standins, "/broken": "/etc/hostname", ...sharedLibraries(standins) };
  const name = "localhost/broken-application:1";
  return buildImage({ name, files, entrypoint: ["/standins"], user: "65534:65534", folders: ["/tmp"] });
}

function ensureStandins(): string {
  const folder = join(LAB_SOURCES, "standins");
  const sources = readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
  const path = join(CACHE, "standins", keyOf(sources, process.versions.bun), "standins");
  if (existsSync(path)) return path;
  say("compiling the stand-ins");
  mkdirSync(join(path, ".."), { recursive: true });
  run([process.execPath, "build", "--compile", "--minify", join(folder, "main.ts"), "--outfile", `${path}.new`]);
  renameSync(`${path}.new`, path);
  return path;
}

// The provisioner's helper pods run a shell with mkdir and rm; Debian's busybox-static answers to each name.
function busyboxFiles(): Record<string, string> {
  const busybox = "/bin/busybox";
  return Object.fromEntries(
    ["/bin/busybox", "/bin/sh", "/bin/mkdir", "/bin/rm", "/bin/sleep"].map((path) => [path, busybox]),
  );
}
