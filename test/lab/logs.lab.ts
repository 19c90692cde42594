// The log of a component that really runs, as an operator reads it: followed while it is written, until its pod goes, and the last
// words of a container that has ended.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { until } from "../../scripts/lab/daemon.ts";
import { openEvents } from "../rehearsal/events.ts";
import type { Appliance } from "./appliance.ts";
import { administers, objects } from "./cluster.ts";
import type { Case } from "./runner.ts";

const APP = "msp";
const WORKER = "email-service";
/** For the slowest machine; what it took is printed. */
const SECONDS = 240;
/** Lines that are waited for, two in a second. */
const ENOUGH = 12;
const LAST_WORDS = "Cannot reach the mail server: giving up";

/** @param appliance of the box that works; it is there when the cases run */
export function logs(appliance: () => Appliance): Case[] {
  return [
    { name: "log: is followed as it is written, until its pod goes", run: () => follows(appliance()) },
    { name: "log: of a container that has ended is still there", run: () => readsPrevious(appliance()) },
  ];
}

interface Follower {
  /** Lines with the milliseconds between their writing and their arrival. */
  readonly late: number[];
  readonly numbers: number[];
  /** The data of the last event, when the stream has said that it is over. */
  end: string | undefined;
}

async function follows(appliance: Appliance): Promise<void> {
  // The clock of a container and this one are the same kernel's: what a line says is compared with the clock at which it comes.
  const ticks = 'n=0; while :; do n=$((n+1)); read now idle < /proc/uptime; echo "tick $n $now"; /bin/sleep 0.5; done';
  runs(ticks);
  try {
    const pod = await theRunningPod(appliance, "tick");
    const follower: Follower = { late: [], numbers: [], end: undefined };
    const read = follow(appliance, pod, follower);
    await until(`${ENOUGH} lines`, SECONDS, () => follower.numbers.length >= ENOUGH);
    undo();
    await until("the end of the log", SECONDS, () => follower.end !== undefined);
    await read;
    const [first = 0] = follower.numbers;
    assert.deepEqual(
      follower.numbers,
      follower.numbers.map((_, index) => first + index),
      "a line is lost or came twice",
    );
    assert.match(follower.end ?? "", /"reason":"ended"/);
    const sorted = follower.late.toSorted((one, other) => one - other);
    print(
      `${sorted.length} lines, half of them within ${at(sorted, 0.5)} ms of being written, the last within ${at(sorted, 1)} ms`,
    );
  } finally {
    undo();
  }
  await isAlone();
}

/** Lines that were there before are late by nature: only what was written since counts. */
async function follow(appliance: Appliance, pod: string, follower: Follower): Promise<void> {
  const begunMs = uptimeMs();
  const url = `${appliance.address}/api/pods/${APP}/${pod}/log/stream?lines=1`;
  for await (const event of openEvents(url, { cookie: appliance.cookie }, [])) {
    const data = JSON.stringify(event.data);
    if (event.type === "end") {
      follower.end = data;
      return;
    }
    for (const [, number, seconds] of data.matchAll(/tick (\d+) ([\d.]+)/g)) {
      const writtenMs = Number(seconds) * 1000;
      follower.numbers.push(Number(number));
      if (writtenMs >= begunMs) follower.late.push(Math.max(0, Math.round(uptimeMs() - writtenMs)));
    }
  }
}

async function readsPrevious(appliance: Appliance): Promise<void> {
  runs(`echo "${LAST_WORDS}"; exit 3`);
  try {
    const pod = await until(
      "a container that has ended",
      SECONDS,
      () => pods().find(({ status }) => restarts(status) >= 1)?.metadata.name,
    );
    const tail = await until("the log of the container before", SECONDS, async () => {
      const path = `/api/pods/${APP}/${pod}/log?previous=true`;
      const found = await appliance.ask<{ previous: boolean; lines: string[] }>("GET", path);
      return found.lines.length > 0 ? found : undefined;
    });
    assert.deepEqual([tail.previous, tail.lines], [true, [LAST_WORDS]]);
  } finally {
    undo();
  }
  await isAlone();
}

/** An undo too many would bring the change back. */
let isChanged = false;

/** Replaces the worker's program by words of a shell; what the worker is otherwise stays. */
function runs(words: string): void {
  const image = { image: "localhost/busybox:1", imagePullPolicy: "Never" };
  const container = { name: WORKER, ...image, command: ["/bin/sh", "-c", words], readinessProbe: null };
  const patch = { spec: { template: { spec: { containers: [container] } } } };
  administers("-n", APP, "patch", `deployment/${WORKER}`, "--patch", JSON.stringify(patch));
  isChanged = true;
}

function undo(): void {
  if (isChanged) administers("-n", APP, "rollout", "undo", `deployment/${WORKER}`);
  isChanged = false;
}

type Pod = ReturnType<typeof objects>[number];

function pods(): Pod[] {
  return objects("pods", APP).filter(({ metadata }) => metadata.name.startsWith(`${WORKER}-`));
}

interface ContainerStatus {
  readonly restartCount: number;
  readonly state?: { readonly running?: object };
}

function containersOf(status: Pod["status"]): readonly ContainerStatus[] {
  return (status?.containerStatuses as readonly ContainerStatus[] | undefined) ?? [];
}

function restarts(status: Pod["status"]): number {
  return containersOf(status)[0]?.restartCount ?? 0;
}

/** Waits for the pod that runs these words, and until the appliance knows it. */
function theRunningPod(appliance: Appliance, words: string): Promise<string> {
  return until("the pod that writes", SECONDS, async () => {
    const pod = pods().find(
      ({ spec, status }) =>
        JSON.stringify(spec).includes(words) && containersOf(status)[0]?.state?.running !== undefined,
    );
    if (pod === undefined) return undefined;
    const { status } = await appliance.call("GET", `/api/pods/${APP}/${pod.metadata.name}/log`);
    return status === 200 ? pod.metadata.name : undefined;
  });
}

/** Waits until the worker is what it was, and alone. */
async function isAlone(): Promise<void> {
  await until("the worker as it was", SECONDS, () => {
    const found = pods();
    return found.length === 1 && !JSON.stringify(found[0]?.spec).includes("/bin/sh");
  });
}

function uptimeMs(): number {
  return Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
}

function at(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

function print(line: string): void {
  process.stdout.write(`      ${line}\n`);
}
