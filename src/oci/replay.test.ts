import assert from "node:assert/strict";
import { test } from "node:test";
import { noise } from "../../test/support/push.ts";
import { createReplay } from "./replay.ts";

const BYTES = noise(1_000);

/** A source of pieces of 100 bytes that counts how often it was opened, and may end with an error. */
function world(more: { readonly keepBytes?: number; readonly fails?: boolean } = {}) {
  let opened = 0;
  let ended = 0;
  const open = (): ReadableStream<Uint8Array> => {
    opened += 1;
    let at = 0;
    return new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          if (at < BYTES.length) controller.enqueue(BYTES.slice(at, at + 100));
          else if (more.fails) controller.error(new Error("wrong digest"));
          else controller.close();
          at += 100;
        },
        cancel: () => {
          ended += 1;
        },
      },
      { highWaterMark: 0 },
    );
  };
  const replay = createReplay(open, { sizeBytes: BYTES.length, keepBytes: more.keepBytes ?? 200 });
  const read = async (from: number, to = BYTES.length): Promise<Uint8Array> =>
    new Uint8Array(await new Response(replay.part(from, to)).arrayBuffer());
  return { replay, read, opened: () => opened, ended: () => ended };
}

test("gives any part, in whatever pieces the source comes", async () => {
  for (const [from, to] of [
    [0, 1_000],
    [0, 250],
    [250, 999],
    [999, 1_000],
    [0, 0],
  ] as const) {
    const { read } = world();
    assert.deepEqual(await read(from, to), new Uint8Array(BYTES.slice(from, to)), `${from} to ${to}`);
  }
});

test("goes on from what it has kept, and opens the source anew for what it has not", async () => {
  const { read, opened, ended } = world();
  await read(0, 800);
  assert.deepEqual(await read(650), new Uint8Array(BYTES.slice(650)));
  assert.equal(opened(), 1);
  assert.deepEqual(await read(100, 300), new Uint8Array(BYTES.slice(100, 300)));
  assert.deepEqual([opened(), ended()], [2, 0]);
});

test("a part that was left in the middle, even while it waits, disturbs no later one", async () => {
  const { replay, read } = world();
  const left = replay.part(0, 1_000).getReader();
  await left.read();
  const waiting = left.read();
  const rest = await read(50);
  assert.deepEqual(rest, new Uint8Array(BYTES.slice(50)));
  await waiting;
  assert.equal((await left.read()).done, true);
});

test("never gives the last bytes of a source that ends badly", async () => {
  const { replay } = world({ fails: true });
  let seen = 0;
  const all = async (): Promise<void> => {
    for await (const bytes of replay.part(0, 1_000)) seen += bytes.length;
  };
  await assert.rejects(all(), /wrong digest/);
  assert.equal(seen, 900);
});

test("lets the source go", async () => {
  const { replay, read, ended } = world();
  await read(0, 300);
  replay.end();
  replay.end();
  assert.equal(ended(), 1);
});
