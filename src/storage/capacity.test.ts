import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "../kube/model.ts";
import { capacityOf } from "./capacity.ts";

const claim = (storage: string, storageClassName?: string): KubeObject => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name: "c", namespace: "msp" },
  spec: { ...(storageClassName === undefined ? {} : { storageClassName }), resources: { requests: { storage } } },
});
const DISK = { totalBytes: 60e9, freeBytes: 40e9 };

test("quantities of every form are added up, and what is none counts nothing", () => {
  const bytes = (...sizes: readonly string[]): number =>
    capacityOf(
      sizes.map((size) => claim(size)),
      DISK,
    ).claimedBytes;
  assert.equal(bytes("1Ki", "1Mi", "1Gi"), 1_024 + 1_048_576 + 1_073_741_824);
  assert.equal(bytes("1k", "2M", "1.5G"), 1_502_001_000);
  assert.equal(bytes("1e3", "5"), 1_005);
  assert.equal(bytes("", "-1Gi", "1 Gi", "Gi", "1e999", "many"), 0);
});

test("claims of other classes take no room here; those without a class get the default one", () => {
  const { claims, claimedBytes } = capacityOf([claim("1G"), claim("2G", "local-path"), claim("4G", "fast")], DISK);
  assert.deepEqual([claims, claimedBytes], [2, 3e9]);
});

test("what the product claims on the smallest documented disk is told with the size that is missing", () => {
  const found = capacityOf([claim("50Gi"), claim("20Gi"), claim("50Gi")], DISK);
  assert.equal(found.state, "exceeds");
  assert.equal(
    found.sentence,
    "3 claims ask for 129 GB, and the disk of the volumes has 60 GB, of which 40 GB are free: it is full before they are",
  );
  assert.equal(found.next, "Make the disk larger by 69 GB, or watch it: the status warns before it is full");
  assert.equal(capacityOf([claim("50Gi")], DISK).next, undefined);
});

test("without a claim only the disk is told", () => {
  assert.equal(capacityOf([], DISK).sentence, "The disk of the volumes has 60 GB, of which 40 GB are free");
});

test("a disk without room is full, whatever is claimed", () => {
  const found = capacityOf([], { totalBytes: 60e9, freeBytes: 300e6 });
  assert.deepEqual(
    [found.state, found.sentence],
    ["full", "The disk of the volumes is full: 300 MB of 60 GB are free, 1.1 GB are wanted"],
  );
});
