/** Contract cases: the mirror of the summary, on either server, as `kubectl get events` and `kubectl describe` see it. */
import assert from "node:assert/strict";
import { isPlainObject } from "../../src/core/json.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Kube } from "../../src/kube/client.ts";
import { type KubeObject, textAt } from "../../src/kube/model.ts";
import { startMirror } from "../../src/status/mirror.ts";
import { MIRROR } from "../../src/status/mirror-objects.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import { eventually } from "../support/eventually.ts";
import { kubeDeps } from "../support/kubernetes.ts";
import { statusOf } from "../support/situations.ts";
import type { Case } from "./kubernetes-suite.ts";

/** A status that the case changes, and a clock without waiting. */
function stage(first: ApplianceStatus) {
  let status = first;
  const listeners = new Set<(status: ApplianceStatus) => void>();
  return {
    status: {
      current: () => status,
      observe: async () => status,
      subscribe: (call: (status: ApplianceStatus) => void) => {
        listeners.add(call);
        return () => void listeners.delete(call);
      },
    },
    becomes: (next: ApplianceStatus): void => {
      status = next;
      for (const listener of listeners) listener(next);
    },
  };
}

const clock = {
  ...kubeDeps.clock,
  sleep: (ms: number, signal?: AbortSignal) => kubeDeps.clock.sleep(ms / 100, signal),
};

async function mapIn(kube: Kube): Promise<KubeObject | undefined> {
  return await kube.get({ apiVersion: "v1", kind: "ConfigMap", ...MIRROR });
}

async function eventsAbout(kube: Kube, uid: string | undefined): Promise<readonly KubeObject[]> {
  const kind = { apiVersion: "v1", kind: "Event", namespace: MIRROR.namespace };
  const { items } = await kube.list(kind, { fieldSelector: `involvedObject.uid=${uid}` });
  return items;
}

export const MIRROR_CASES: readonly Case[] = [
  [
    "the summary is mirrored into a ConfigMap and an Event for each change, and counted when it comes again",
    async ({ kube }) => {
      const cluster = kube();
      await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: MIRROR.namespace } });
      const end = new AbortController();
      const { status, becomes } = stage(statusOf("healthy"));
      startMirror({ clock, log: SILENT_LOG }, { kube: cluster, status }, end.signal);
      const says = async (summary: string, count: number): Promise<void> => {
        await eventually(
          `the cluster says "${summary}"`,
          async () => {
            const map = await mapIn(cluster);
            const events = await eventsAbout(cluster, map?.metadata.uid);
            return (
              textAt(map, "data", "summary") === summary &&
              events.some((one) => one.count === count && String(one.message).startsWith(summary))
            );
          },
          20_000,
        );
      };
      try {
        await says("Everything works", 1);
        becomes(statusOf("database-crashes"));
        await says(statusOf("database-crashes").summary.message, 1);
        const failed = (await eventsAbout(cluster, (await mapIn(cluster))?.metadata.uid)).find(
          (one) => one.type === "Warning",
        );
        assert.equal(textAt(failed, "involvedObject", "name"), MIRROR.name);
        assert.match(String(failed?.reason), /^[A-Z][A-Za-z]+$/);
        becomes(statusOf("healthy"));
        await says("Everything works", 2);
        const events = await eventsAbout(cluster, (await mapIn(cluster))?.metadata.uid);
        assert.equal(events.length, 2, "news that comes again is counted, not told again");
        assert.ok(isPlainObject((await mapIn(cluster))?.data));
      } finally {
        end.abort();
      }
    },
  ],
];
