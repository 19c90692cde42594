/**
 * The apply phase of setup on a real kube-apiserver and etcd: Flux, namespaces, values, Secrets, selection and source, as
 * setup's steps apply them. The peer is `kubectl apply --server-side` of the same objects.
 *
 * Each measurement gets a fresh server. kubectl cannot apply an object whose kind the same stream defines, so it gets three
 * calls, as a script would make them: what defines Flux, a wait for its definitions, and the rest.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Secret } from "../src/core/secret.ts";
import { installFlux } from "../src/flux/install.ts";
import { pullFluxObjects } from "../src/flux/manifests.ts";
import { selectionObject } from "../src/flux/selection.ts";
import { sourceObjects } from "../src/flux/source.ts";
import { renderValues } from "../src/flux/values.ts";
import { applySet, inApplyOrder } from "../src/kube/apply-set.ts";
import type { KubeObject } from "../src/kube/model.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemRandom } from "../src/platform/random.ts";
import { namespaces, passwordValues, SHARED_SECRET, secretObject } from "../src/setup/objects.ts";
import { hashPassword } from "../src/setup/password-hash.ts";
import { findBinaries, type RealKube, startKubeApiServer } from "../test/support/kube-apiserver.ts";
import { openTestRegistry } from "../test/support/registry.ts";
import { median, type Row, row, without } from "./measure.ts";
import { openResolver } from "./resolve.ts";

/** What setup applies, step by step. */
interface Phase {
  readonly flux: readonly KubeObject[];
  /** The steps after it: namespaces, values, secrets, selection, source. */
  readonly steps: readonly (readonly KubeObject[])[];
}

const WHAT = "apply phase of setup";

export async function applyPhase(runs: number): Promise<Row[]> {
  const binaries = findBinaries(process.env);
  if ("missing" in binaries) return [without(WHAT, binaries.missing)];
  const kubectl = join(dirname(binaries.apiServer), "kubectl");
  if (!existsSync(kubectl)) return [without(WHAT, "no kubectl in the lab's cache (npm run lab builds it)")];
  const phase = await phaseOfSample();
  const seen = { ours: [] as number[], again: [] as number[], peer: [] as number[], peerAgain: [] as number[] };
  for (let index = 0; index < runs; index += 1) {
    const [ours, again] = await onFreshServer(binaries, (real) => applyOurs(real, phase));
    const [peer, peerAgain] = await onFreshServer(binaries, (real) => applyWithKubectl(real, phase, kubectl));
    seen.ours.push(ours);
    seen.again.push(again);
    seen.peer.push(peer);
    seen.peerAgain.push(peerAgain);
  }
  const count = phase.flux.length + phase.steps.flat().length;
  const note = `kubectl apply --server-side, ${count} objects`;
  return [
    row(WHAT, median(seen.ours), median(seen.peer), { unit: "ms", note, digits: 0 }),
    row(`${WHAT}, nothing changes`, median(seen.again), median(seen.peerAgain), { unit: "ms", note, digits: 0 }),
  ];
}

async function phaseOfSample(): Promise<Phase> {
  const registry = await openTestRegistry();
  const root = mkdtempSync(join(tmpdir(), "alga-apply-"));
  try {
    const { client, resolve } = openResolver(registry, root);
    const resolved = await resolve();
    const place = { registry: registry.host, base: registry.base };
    const { manifest } = resolved;
    const flux = await pullFluxObjects({ clock: systemClock }, client, { manifest, place });
    return {
      flux: flux ?? [],
      steps: [
        namespaces(),
        renderValues(manifest, { appUrl: "https://psa.example.com", host: "psa.example.com", place }),
        await secrets(),
        [selectionObject(resolved, "stable")],
        sourceObjects(resolved, { place, plainHttp: true }),
      ],
    };
  } finally {
    await registry.close();
    rmSync(root, { recursive: true, force: true });
  }
}

/** Secrets of the size that setup writes. */
async function secrets(): Promise<readonly KubeObject[]> {
  const hash = await hashPassword(systemRandom, new Secret("correct-Horse-battery-9"), 1_000);
  return [
    secretObject(SHARED_SECRET, { ALGA_AUTH_KEY: "k".repeat(43) }),
    secretObject("appliance-initial-tenant", { INITIAL_TENANT_NAME: "Example", ...passwordValues(hash) }),
    secretObject("appliance-license-seed", { EDITION_CHOICE: "ce" }),
  ];
}

type Twice = readonly [first: number, again: number];

async function onFreshServer(
  binaries: Parameters<typeof startKubeApiServer>[0],
  measure: (real: RealKube) => Promise<Twice>,
): Promise<Twice> {
  const real = await startKubeApiServer(binaries);
  try {
    return await measure(real);
  } finally {
    await real.stop();
  }
}

async function timed(work: () => Promise<void> | void): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

async function applyOurs(real: RealKube, phase: Phase): Promise<Twice> {
  const deps = { clock: systemClock, kube: real.kube() };
  const apply = async (): Promise<void> => {
    await installFlux(deps, phase.flux);
    for (const objects of phase.steps) await applySet(deps, objects);
  };
  return [await timed(apply), await timed(apply)];
}

async function applyWithKubectl(real: RealKube, phase: Phase, kubectl: string): Promise<Twice> {
  const folder = mkdtempSync(join(tmpdir(), "alga-kubectl-"));
  const config = join(folder, "config");
  writeFileSync(config, JSON.stringify(kubeconfigOf(real)), { mode: 0o600 });
  const call = (words: readonly string[], input?: string): void => {
    const env = { KUBECONFIG: config, HOME: folder };
    execFileSync(kubectl, words, { input: input ?? "", env, stdio: ["pipe", "ignore", "inherit"] });
  };
  const rest = listOf(phase.steps.flat());
  const flux = listOf(inApplyOrder(phase.flux));
  const apply = (): void => {
    call(["apply", "--server-side", "-f", "-"], flux);
    call(["wait", "--for=condition=Established", "--all", "crd"]);
    call(["apply", "--server-side", "-f", "-"], rest);
  };
  try {
    return [await timed(apply), await timed(apply)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function listOf(items: readonly KubeObject[]): string {
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

/** A kubeconfig for the administrator of a real API server. */
export function kubeconfigOf(real: RealKube): object {
  const authority = Buffer.from(real.certificates.ca).toString("base64");
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "bench", cluster: { server: real.server, "certificate-authority-data": authority } }],
    users: [{ name: "bench", user: { token: real.adminToken } }],
    contexts: [{ name: "bench", context: { cluster: "bench", user: "bench" } }],
    "current-context": "bench",
  };
}
