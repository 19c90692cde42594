// One program that plays every part of the lab that cannot be had for real: the sample application's database, cache,
// pooler, workers, web application and bootstrap job, and the two Flux controllers that do not build from their modules.
// Compiled once by bun and put into one image; the first argument says which part a container plays.

import { runBootstrapJob } from "./bootstrap.ts";
import { serveCache } from "./cache.ts";
import { serveDatabase } from "./database.ts";
import { runHelmController } from "./helm-controller.ts";
import { servePooler } from "./pooler.ts";
import { runSourceController } from "./source-controller.ts";
import { waitForUsers } from "./tables.ts";
import { serveWeb } from "./web.ts";
import { runWorker } from "./worker.ts";

const PARTS: Readonly<Record<string, () => unknown>> = {
  database: serveDatabase,
  cache: serveCache,
  pooler: servePooler,
  worker: runWorker,
  web: serveWeb,
  bootstrap: runBootstrapJob,
  "wait-for-users": waitForUsers,
  "source-controller": runSourceController,
  "helm-controller": runHelmController,
};

process.on("SIGTERM", () => process.exit(0));
process.on("SIGINT", () => process.exit(0));

const part = PARTS[process.argv[2] ?? ""];
if (part === undefined) {
  process.stderr.write(
    `standins: unknown part "${process.argv[2]}", one of ${Object.keys(PARTS).join(", ")} is wanted\n`,
  );
  process.exit(2);
}
await part();
