/** The name of the appliance: what is taken, what is refused, and that it outlives the process. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { statePaths } from "../core/paths.ts";
import { createFileStore } from "../operation/file-store.ts";
import { MAX_NAME, type NameAnswer, nameRoutes, parseName, readChosenName } from "./appliance-name.ts";

const PATHS = statePaths("/");

function openBox() {
  const box = createFakeBox();
  const files = createMemoryFiles(() => box.clock.now());
  const deps = { clock: box.clock, random: box.random, files, log: { debug() {}, info() {}, warn() {}, error() {} } };
  const open = () => createFileStore(deps as never, PATHS);
  let changes = 0;
  const routes = nameRoutes({ store: open(), fallback: "box-7f3a", changed: () => (changes += 1) });
  const ask = async (method: string, body?: unknown): Promise<NameAnswer> => {
    const route = routes.find((one) => one.method === method);
    const url = new URL("http://box/api/settings/name");
    const request = new Request(url);
    const call = { request, url, params: {}, peer: "127.0.0.1", signal: new AbortController().signal, body };
    return (await (await route?.handle(call))?.json()) as NameAnswer;
  };
  return { ask, files, open, changes: () => changes };
}

describe("the name of the appliance", () => {
  it("is the host's until one is chosen, and again when it is taken back", async () => {
    const { ask, changes, open } = openBox();
    assert.deepEqual(await ask("GET"), { name: "box-7f3a", chosen: null });
    assert.deepEqual(await ask("PUT", { name: "  Front desk " }), { name: "Front desk", chosen: "Front desk" });
    assert.equal(await readChosenName(open()), "Front desk", "another process reads it");
    assert.deepEqual(await ask("PUT", { name: "" }), { name: "box-7f3a", chosen: null });
    assert.deepEqual(await ask("PUT", { name: "" }), { name: "box-7f3a", chosen: null }, "twice is as once");
    assert.equal(changes(), 3);
  });

  it("takes letters of every language, in one form", () => {
    assert.equal(parseName({ name: "Zu\u0308rich 本社" }), "Z\u00fcrich 本社");
    assert.equal(parseName({ name: "x".repeat(MAX_NAME) }).length, MAX_NAME);
  });

  it("refuses what would draw over a screen, or not fit on it, and changes nothing", async () => {
    const { ask, changes } = openBox();
    for (const name of ["a\u001b[2J", "a\u202eb", "a\nb", "a\u2028b", "x".repeat(MAX_NAME + 1)]) {
      await assert.rejects(ask("PUT", { name }), { code: "setup/invalid-answers" }, JSON.stringify(name));
    }
    await assert.rejects(ask("PUT", { title: "x" }), { code: "json/shape" });
    assert.deepEqual(await ask("GET"), { name: "box-7f3a", chosen: null });
    assert.equal(changes(), 0);
  });

  it("is not believed when the file is damaged, and can be chosen again", async () => {
    const { ask, files } = openBox();
    await ask("PUT", { name: "Front desk" });
    files.garble(`${PATHS.state}/name.json`, '{"schema":"alga.appliance.name/v1"');
    await assert.rejects(ask("GET"), { code: "file/corrupt" });
    assert.deepEqual(await ask("PUT", { name: "Back desk" }), { name: "Back desk", chosen: "Back desk" });
  });
});
