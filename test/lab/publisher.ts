// A release engineer beside the box: a source tree, and the executable under test as the only tool.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { TLS } from "../../scripts/lab/authority.ts";
import { BAKED_PARTS, testedExecutable } from "../../scripts/lab/parts.ts";
import { NETWORK, RUN } from "../../scripts/lab/places.ts";
import { APPLICATION_IMAGES, FLUX_VERSION, IMAGE_TAG, layCharts } from "../../scripts/lab/publish.ts";
import { REGISTRY, withNames } from "../../scripts/lab/registry.ts";
import { type RunResult, run, tryRun } from "../../scripts/lab/shell.ts";

/** The component that uses each image. */
const IMAGE_KEYS = ["algaCore", "workflowWorker", "emailService", "temporalWorker"] as const;
const MINUTE_MS = 60_000;

export interface Place {
  readonly host: string;
  /** Base of all repositories. */
  readonly base: string;
}

/** Everything of one publisher lies below its folder; nothing of this machine's settings is read. */
export class Publisher {
  readonly folder: string;

  constructor() {
    mkdirSync(RUN, { recursive: true });
    this.folder = mkdtempSync(join(RUN, "publisher-"));
  }

  /** Runs the executable and answers its JSON document. @throws {Error} with all it said when it does not succeed */
  does<T>(...words: readonly string[]): T {
    return JSON.parse(run(this.#argv(words), this.#options())) as T;
  }

  /** The same when it may be refused. */
  tries(...words: readonly string[]): RunResult {
    return tryRun(this.#argv(words), this.#options());
  }

  /** The words that a long-running verb is started with. */
  argv(...words: readonly string[]): string[] {
    return this.#argv(words);
  }

  /** Flags of a place, with the login where there is one. */
  at(place: Place): string[] {
    return ["--registry", place.host, "--repository", place.base, ...this.login(place)];
  }

  login({ host }: Place): string[] {
    const login = host === REGISTRY.host ? ["--registry-config", REGISTRY.credentials] : [];
    return ["--registry-ca", TLS.authority, ...login];
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /**
   * Lays a source tree: charts and values as files, images and Flux by reference.
   * @param versions chart versions other than those of the sample
   */
  laySource(version: string, place: Place, versions: Readonly<Record<string, string>> = {}): string {
    const folder = this.path(version);
    const charts = layCharts(join(folder, "charts"), BAKED_PARTS);
    for (const [chart, wanted] of Object.entries(versions)) {
      const file = join(folder, "charts", chart, "Chart.yaml");
      writeFileSync(file, readFileSync(file, "utf8").replace(/^version: .*$/m, `version: ${wanted}`));
    }
    const source = {
      schema: "alga.appliance.release-source/v1",
      version,
      channels: ["nightly", "stable"],
      registry: `${place.host}/${place.base}`,
      images: Object.fromEntries(IMAGE_KEYS.map((key) => [key, { tag: IMAGE_TAG }])),
      charts: Object.fromEntries(charts.map((chart) => [chart, { path: `charts/${chart}` }])),
      flux: { reference: `oci://${place.host}/${place.base}/flux-manifests`, version: FLUX_VERSION },
    };
    writeFileSync(join(folder, "release.yaml"), stringify(source));
    return folder;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #argv(words: readonly string[]): string[] {
    return withNames([testedExecutable(), ...words, "-o", "json"]);
  }

  #options() {
    const own = { ALGA_APPLIANCE_ROOT: this.path("root"), HOME: this.path("home"), SOURCE_DATE_EPOCH: "1795219200" };
    return { cwd: this.folder, env: own, timeoutMs: 5 * MINUTE_MS };
  }
}

/** Repositories that the release engineers of the application fill before a release is made. */
export function applicationTargets({ base }: Place): string[] {
  return APPLICATION_IMAGES.map((name) => `${base}/${name}:${IMAGE_TAG}`);
}

/** Where the box reaches what this machine serves. */
export const LISTEN = NETWORK.host;
