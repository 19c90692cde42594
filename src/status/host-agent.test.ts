/** The facts of the host agent: taken as far as they are well formed, and told as nothing where there is no agent to trust. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { ApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import type { Fetch, TransportOptions } from "../core/ports.ts";
import { createHostLook } from "./box.ts";
import { askAgent } from "./host-agent.ts";

const GB = 1_000_000_000;
const FACTS = {
  schema: "alga.appliance.host-facts/v1",
  observedAt: "2026-11-21T09:00:00Z",
  kernel: "6.8.0",
  memory: { totalBytes: 16 * GB, availableBytes: 9 * GB },
  k3s: { version: "v1.36.2+k3s1", unit: "failed" },
  disks: [
    { path: "/", device: "/dev/sda2", fileSystem: "ext4", totalBytes: 118 * GB, freeBytes: 70 * GB, smart: "failed" },
    { path: "/srv", device: "/dev/sdb1", fileSystem: "xfs", totalBytes: 500 * GB, freeBytes: 20 * GB, smart: null },
    { path: "/boot/efi", device: "/dev/sda1", fileSystem: "vfat", totalBytes: GB / 2, freeBytes: GB / 4, smart: null },
  ],
  time: { synchronized: true, server: "192.0.2.123", offsetMs: -420_000 },
  later: { anything: true },
};
const says =
  (body: unknown, status = 200): Fetch =>
  async () =>
    new Response(typeof body === "string" ? body : JSON.stringify(body), { status });
const never = new AbortController().signal;

async function ask(fetch: Fetch) {
  return await askAgent(createFakeBox().clock, fetch, never);
}

describe("askAgent()", () => {
  it("takes what the status uses, and leaves what it does not know", async () => {
    const facts = await ask(says(FACTS));
    assert.equal(facts?.k3s?.unit, "failed");
    assert.equal(facts?.disks.length, 3);
    assert.equal("later" in (facts ?? {}), false);
  });

  it("takes a part that is strange for missing, and a document that is none for no agent", async () => {
    assert.equal((await ask(says({ ...FACTS, k3s: { unit: "dancing" } })))?.k3s?.unit, "unknown");
    assert.deepEqual((await ask(says({ ...FACTS, disks: "none" })))?.disks, []);
    for (const body of ["", "[]", "{", { ...FACTS, schema: "v2" }, { ...FACTS, memory: { totalBytes: -1 } }]) {
      assert.equal(await ask(says(body)).catch(() => undefined), undefined, JSON.stringify(body).slice(0, 60));
    }
    assert.equal(await ask(says(FACTS, 500)), undefined);
    assert.equal(await ask(says(`{"x":"${"y".repeat(300_000)}"}`)), undefined);
  });

  it("gives a silent agent up after seconds, and one that refuses at once", async () => {
    const box = createFakeBox();
    const asked = askAgent(box.clock, () => new Promise(() => {}), never);
    await box.pass(3_000);
    assert.equal(await asked, undefined);
    const refuses: Fetch = async () => {
      throw new ApplianceError("net/unreachable", "Cannot reach the agent: connection refused");
    };
    assert.equal(await ask(refuses), undefined);
  });
});

describe("createHostLook()", () => {
  const paths = statePaths("/");
  async function look(fetch: Fetch, socket: boolean) {
    const box = createFakeBox();
    const files = createMemoryFiles(() => box.clock.now());
    if (socket) files.garble(paths.hostAgentSocket, "");
    const opened: (TransportOptions | undefined)[] = [];
    const transports = {
      open: (options?: TransportOptions) => {
        opened.push(options);
        return fetch;
      },
    };
    const deps = { clock: box.clock, files, machine: box.machineOf(box.spawn()), transports };
    return { seen: await createHostLook(deps, paths)(never), opened };
  }

  it("adds to what it sees itself what only the host can see", async () => {
    const { seen, opened } = await look(says(FACTS), true);
    assert.equal(opened[0]?.socketPath, paths.hostAgentSocket);
    assert.deepEqual(
      seen.disks?.map((disk) => disk.path),
      [paths.state, "/srv"],
      "the disk of the state is seen from here, a boot partition does not fill up",
    );
    assert.equal(seen.memory?.availableBytes, 9 * GB);
    assert.deepEqual(seen.failingDisks, [{ path: "/", device: "/dev/sda2" }]);
    assert.deepEqual([seen.k3sUnit, seen.offset], ["failed", { ms: -420_000, server: "192.0.2.123" }]);
  });

  it("asks nobody where there is no socket, and tells the rest", async () => {
    const asked: Fetch = () => assert.fail("there is no agent to ask");
    const { seen } = await look(asked, false);
    assert.equal(seen.disks?.length, 1);
    assert.equal(seen.k3sUnit, undefined);
  });
});
