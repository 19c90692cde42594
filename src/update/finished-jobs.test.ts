import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../core/digest.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { KubeObject, ObjectRef } from "../kube/model.ts";
import { readReleaseManifest } from "../release/model.ts";
import { removeFinishedJobs } from "./finished-jobs.ts";

const MANIFEST = readReleaseManifest({
  version: "1.0.3",
  images: { algaCore: "1.0.3" },
  config: { repository: "registry.test/nine-minds/alga-appliance-config", digest: digestOf("config") },
});

/** What is deleted, where the job of the application is as told; undefined: there is none. */
async function removed(status: object | undefined): Promise<readonly string[]> {
  const deleted: string[] = [];
  const kube = {
    get: async ({ apiVersion = "", kind = "", namespace, name }: ObjectRef): Promise<KubeObject | undefined> =>
      status === undefined
        ? undefined
        : {
            apiVersion,
            kind,
            metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid: "u1" },
            status,
          },
    delete: async ({ kind, namespace, name }: ObjectRef, options?: object): Promise<boolean> => {
      assert.deepEqual(JSON.parse(JSON.stringify(options)).preconditions, { uid: "u1" });
      deleted.push(`${kind} ${namespace}/${name}`);
      return true;
    },
  };
  await removeFinishedJobs({ kube, log: SILENT_LOG }, { manifest: MANIFEST, signal: AbortSignal.timeout(10_000) });
  return deleted;
}

const JOB = ["Job msp/alga-core-sebastian-bootstrap"];
const over = (type: string) => ({ conditions: [{ type, status: "True" }] });

test("jobs that are over make way, whatever became of them", async () => {
  assert.deepEqual(await removed(over("Complete")), JOB);
  assert.deepEqual(await removed({ ...over("Failed"), failed: 1 }), JOB);
  // Its next try may come in minutes: the way back does not wait for it.
  assert.deepEqual(await removed({ active: 1, failed: 2 }), JOB);
});

test("a job that works is left to end, and none at all is fine", async () => {
  assert.deepEqual(await removed({ active: 1 }), []);
  assert.deepEqual(await removed({}), []);
  assert.deepEqual(await removed({ ...over("Suspended"), active: 1 }), []);
  assert.deepEqual(await removed(undefined), []);
});
