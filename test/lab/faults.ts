// The failures of a box that works, as data: how each is made on the real node, what must be told, how it is mended.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { inBox, kubectl } from "../../scripts/lab/box.ts";
import { publishBrokenConfig } from "../../scripts/lab/publish.ts";
import { PORTAL, REGISTRY, startNames, stopNames } from "../../scripts/lab/registry.ts";
import { administers, exists } from "./cluster.ts";
import { startPortal } from "./portal.ts";

const APP = "msp";
const WORKER = "deployment/email-service";
const LOST_CLAIM = "lost-claim";
/** Bytes that are really written until the disk is full. */
const LEFT_BYTES = 32 * 1024 * 1024;
/** How long the certificate of the proxy is good for when nothing is wrong. */
export const CERTIFICATE_DAYS = 30;
const FILLER = "/var/lib/alga-appliance/filler";

/** One failure: how it is made, what must be told, how it is mended. */
export interface Failure {
  readonly name: string;
  readonly make: () => void | Promise<void>;
  /** Code of the check that is the root. */
  readonly code: string;
  /** What the one sentence must name. */
  readonly words: RegExp;
  readonly mend: () => void | Promise<void>;
  /** Where the command runs; the pod cannot be entered while the kubelet stands. */
  readonly cliOutside?: true;
  /** It fills the state folder's own small disk. */
  readonly needsDisk?: true;
  /** Seconds within which it must be told, where a machine that is slow makes no difference. */
  readonly seconds?: number;
}

export const FAILURES: readonly Failure[] = [
  {
    name: "a wrong image",
    make: () => administers("-n", APP, "set", "image", WORKER, `email-service=${image("absent")}`),
    code: "image/not-found",
    words: /one image of release 1\.0\.0 is missing/,
    mend: undo,
  },
  {
    name: "a wrong pull secret",
    make: usesWrongSecret,
    code: "image/unauthorized",
    words: /one image of release 1\.0\.0 is denied by the registry/,
    mend: undo,
  },
  {
    name: "a claim that does not exist",
    make: () => changeWorker({ volumes: [{ name: "data", persistentVolumeClaim: { claimName: LOST_CLAIM } }] }),
    code: "storage/claim-missing",
    words: /claim msp\/lost-claim does not exist/,
    mend: createsClaim,
  },
  {
    name: "a container that takes more memory than it may",
    make: takesMemory,
    code: "pod/out-of-memory",
    words: /email-service runs out of memory/,
    mend: undo,
  },
  {
    name: "a source of Flux whose digest nobody has",
    make: () => pinSource(`sha256:${randomBytes(32).toString("hex")}`),
    code: "flux/source-not-found",
    words: /the configuration of the release is missing in the registry/,
    mend: unpinSource,
  },
  {
    name: "a source of Flux that is served with other bytes",
    make: () => pinSource(publishBrokenConfig()),
    code: "flux/source-digest",
    words: /the registry sends a wrong configuration/,
    mend: unpinSource,
  },
  {
    name: "the public name is not known",
    make: () => changeNames([PORTAL.name]),
    code: "login/name-not-resolved",
    words: /the name of the login page does not resolve/,
    mend: () => changeNames([]),
  },
  {
    name: "an expired certificate",
    make: () => startPortal(-1),
    code: "login/certificate",
    words: /the certificate of the login page has expired/,
    mend: () => startPortal(CERTIFICATE_DAYS),
  },
  {
    name: "a full disk",
    make: fillDisk,
    needsDisk: true,
    code: "host/disk-full",
    words: /the disk is full/,
    mend: () => inside("rm", FILLER, `${FILLER}.rest`),
  },
  {
    name: "a kubelet that has stopped",
    make: () => signalKubelet("STOP"),
    code: "node/silent",
    words: /node box has stopped reporting/,
    mend: () => signalKubelet("CONT"),
    cliOutside: true,
    seconds: 40,
  },
];

function image(tag: string): string {
  return `${REGISTRY.host}/nine-minds/email-service:${tag}`;
}

/** Lays fields of a pod over those of the worker; a new pod is made beside the one that runs. */
function changeWorker(spec: Readonly<Record<string, unknown>>): void {
  administers("-n", APP, "patch", WORKER, "--patch", JSON.stringify({ spec: { template: { spec } } }));
}

function undo(): void {
  administers("-n", APP, "rollout", "undo", WORKER);
}

function usesWrongSecret(): void {
  const login = ["--docker-username=somebody", "--docker-password=not-the-password"];
  if (!exists("secret", APP, "wrong-login")) {
    const server = `--docker-server=${REGISTRY.host}`;
    administers("-n", APP, "create", "secret", "docker-registry", "wrong-login", server, ...login);
  }
  // An image that the node has is pulled again, and by these credentials.
  const containers = [{ name: "email-service", imagePullPolicy: "Always" }];
  changeWorker({ imagePullSecrets: [{ name: "wrong-login" }], containers });
}

function createsClaim(): void {
  const claim = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: LOST_CLAIM, namespace: APP },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } },
  };
  const { code, stderr } = kubectl(["apply", "-f", "-"], { input: JSON.stringify(claim) });
  assert.equal(code, 0, stderr);
}

/** A shell that doubles a text until the kernel stops it. */
function takesMemory(): void {
  const command = ["/bin/sh", "-c", "text=alga; while :; do text=$text$text; done"];
  const resources = { limits: { memory: "64Mi" } };
  const container = {
    name: "email-service",
    image: "localhost/busybox:1",
    imagePullPolicy: "Never",
    command,
    resources,
  };
  changeWorker({ containers: [container] });
}

const SOURCE = ["-n", "flux-system", "patch", "ocirepository", "alga-appliance", "--type=merge", "--patch"];
let pinned = "";

function pinSource(digest: string): void {
  const ref = kubectl([
    "-n",
    "flux-system",
    "get",
    "ocirepository",
    "alga-appliance",
    "-o",
    "jsonpath={.spec.ref.digest}",
  ]);
  assert.match(ref.stdout, /^sha256:/);
  pinned = ref.stdout;
  administers(...SOURCE, JSON.stringify({ spec: { ref: { digest } } }));
}

function unpinSource(): void {
  administers(...SOURCE, JSON.stringify({ spec: { ref: { digest: pinned } } }));
}

async function changeNames(missing: readonly string[]): Promise<void> {
  await stopNames();
  startNames(missing);
}

/** Fills the disk of the state to its last byte: nearly all of it is set aside and never written. */
function fillDisk(): void {
  const free = inBox(["stat", "-f", "-c", "%a %S", "/var/lib/alga-appliance"]).stdout.trim().split(" ").map(Number);
  const [blocks = 0, size = 0] = free;
  inside("fallocate", "-l", String(blocks * size - LEFT_BYTES), FILLER);
  const filled = inBox(["dd", "if=/dev/zero", `of=${FILLER}.rest`, "bs=64K"], { timeoutMs: 120_000 });
  assert.match(filled.stderr, /No space left on device/);
}

function signalKubelet(name: "STOP" | "CONT"): void {
  inside("sh", "-c", `kill -${name} $(cat /run/k3s/kubelet.pid)`);
}

function inside(...argv: readonly string[]): void {
  const { code, stderr } = inBox(argv);
  assert.equal(code, 0, `${argv.join(" ")}: ${stderr}`);
}
