// The lab: a real box for the compiled executable. Root, Debian and Go; builds once into a cache outside the clone.
//
//   npm run lab                    builds what is missing, boots, runs the suite, takes everything down
//   npm run lab -- up              boots and leaves the box running for a person
//   npm run lab -- down            removes every trace of a running box
//   npm run lab -- status          what runs
//   npm run lab -- build           builds only
//   npm run lab -- run <pattern>   the suite, only the cases that match ("good", "registry", "StorageClass", ...)
//   npm run lab -- units           boots a box of our own units and the ISO's payload, and leaves it running
//
// ALGA_LAB_CACHE moves the cache, ALGA_LAB_EXECUTABLE tests another file than dist/alga-appliance, ALGA_LAB_UNTIL (Unix milliseconds)
// skips what has not begun by then.

import { BOX, boxPid, inBox, kubectl } from "./lab/box.ts";
import { daemonPid } from "./lab/daemon.ts";
import { STAND_INS } from "./lab/parts.ts";
import { CACHE, NETWORK } from "./lab/places.ts";
import { REGISTRY } from "./lab/registry.ts";
import { missingRequirements } from "./lab/requirements.ts";
import { toolPath } from "./lab/tools.ts";
import { freshUnitsBox, screenNow } from "./lab/units-box.ts";
import { bringUp, buildLab, type LabState, labState, takeDown } from "./lab/up.ts";

/** Stories that make a box of their own: asked for one of them alone, the lab's box is not made. */
const OWN_BOX = /^(updates|units|host|life)$/;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  run: async ([pattern]) => runOnce(pattern === undefined ? undefined : new RegExp(pattern, "i")),
  up: async () => {
    describe(await bringUp());
    return 0;
  },
  units: async () => {
    await bringUp({ box: false });
    await freshUnitsBox();
    print(`${screenNow().join("\n")}\n`);
    print(`shell         nsenter -t ${boxPid()} -m -u -i -p -n -C -- bash`);
    print("end           npm run lab -- down");
    return 0;
  },
  down: async () => {
    await takeDown();
    print(`lab: nothing of it is left running; the cache stays at ${CACHE}`);
    return 0;
  },
  status: async () => showStatus(),
  build: async () => {
    buildLab();
    print(`lab: everything is built in ${CACHE}`);
    return 0;
  },
};

async function runOnce(filter: RegExp | undefined): Promise<number> {
  printStandIns();
  const started = Date.now();
  try {
    const lab = await explained(bringUp({ box: filter === undefined || !OWN_BOX.test(filter.source) }));
    const { runSuite } = await import("../test/lab/suite.ts");
    const outcome = await runSuite(lab, filter);
    printStandIns();
    for (const failure of outcome.secondTries) print(`held at the second try: ${firstLines(failure)}`);
    for (const failure of outcome.failures) print(`failed: ${firstLines(failure)}`);
    print(`lab: ${Math.round((Date.now() - started) / 1000)} s`);
    print(`${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} skipped`);
    return outcome.failed === 0 ? 0 : 1;
  } finally {
    await takeDown();
  }
}

/** A box that does not come up tells as much about itself as a case that fails. */
async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (problem) {
    const { diagnosis } = await import("../test/lab/diagnosis.ts");
    print(`failed: the lab does not come up: ${firstLines(String(problem))}\n${await diagnosis()}`);
    throw problem;
  }
}

/** A failure on one line, as the closing summary repeats it. */
function firstLines(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, 1_500);
}

function printStandIns(): void {
  print(
    "lab: real are systemd, etcd, kube-apiserver, controller-manager, scheduler, kubelet, kube-proxy, containerd, runc,",
  );
  print(
    "lab:   CoreDNS, local-path-provisioner, kustomize-controller, helm, docker-registry and the compiled executable",
  );
  for (const line of STAND_INS) print(`lab: stand-in: ${line}`);
}

function describe(lab: LabState): void {
  printStandIns();
  print(`setup         ${lab.address}/setup?token=${lab.setupToken}`);
  print(`token         ${lab.setupToken}`);
  print(`application   http://${NETWORK.box}:3000/ (when setup is done)`);
  print(`registry      https://${REGISTRY.host} (${REGISTRY.address}), channel stable, release ${lab.releaseDigest}`);
  print(`kubectl       ${toolPath("kubectl")} --kubeconfig=${BOX.kubeconfig} get pods -A`);
  print(`shell         nsenter -t ${boxPid()} -m -u -i -p -n -C -- bash`);
  print("end           npm run lab -- down");
}

async function showStatus(): Promise<number> {
  const lab = labState();
  if (lab === undefined) {
    print("lab: no box runs");
    return 3;
  }
  describe(lab);
  for (const name of ["box", "registry", "tokens", "names"])
    print(`${name.padEnd(13)} pid ${daemonPid(name) ?? "none"}`);
  print(`systemd       ${inBox(["systemctl", "is-system-running"]).stdout.trim()}`);
  print(kubectl(["get", "pods", "-A"]).stdout);
  return 0;
}

const [name = "run", ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined) {
  print(`lab: unknown command "${name}", one of ${Object.keys(COMMANDS).join(", ")} is wanted`);
  process.exit(2);
}
const missing = missingRequirements();
if (missing.length > 0) {
  for (const reason of missing) print(`lab: skipped: ${reason}`);
  print("0 passed, 0 failed, 1 skipped");
  process.exit(0);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // Twice, since the work that was interrupted may have started something meanwhile.
  process.once(
    signal,
    () =>
      void takeDown()
        .then(takeDown)
        .finally(() => process.exit(130)),
  );
}
process.exit(await command(args));
