/** The image out of an executable and a system's libraries: an archive as containerd reads it, the same again after a kill. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { madeExecutable, madeLibraries } from "../../test/support/elf.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Deps, Machine } from "../core/ports.ts";
import { openLayoutTar } from "../oci/layout-tar.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { writeOwnImage } from "./own-image.ts";

const signal = new AbortController().signal;
const ARCHIVE = "/opt/alga-appliance/control-plane/images/recovered.tar";

async function system(): Promise<Deps> {
  const files = createMemoryFiles();
  for (const folder of ["/bin", "/lib", "/opt/alga-appliance/control-plane/images"]) await files.makeDirectory(folder);
  await files.write("/bin/alga-appliance", madeExecutable("amd64"), { mode: 0o755 });
  for (const [name, bytes] of Object.entries(madeLibraries("amd64"))) await files.write(`/lib/${name}`, bytes);
  const machine: Partial<Machine> = {
    bootId: async () => "boot-1",
    self: async () => ({ pid: 1, startTicks: "1", pidNamespace: "pid:[1]" }),
    processStart: async () => undefined,
    uptimeMs: async () => 1,
  };
  return { files, log: SILENT_LOG, machine: machine as Machine } as Partial<Deps> as Deps;
}

const write = (deps: Deps) =>
  writeOwnImage(deps, ARCHIVE, { signal, tag: "recovered", executable: "/bin/alga-appliance", root: "/lib" });

it("writes an archive whose image has the name that the control plane is applied with", async () => {
  const deps = await system();
  const made = await write(deps);
  assert.equal(made.image, "localhost/alga-appliance-control-plane:recovered");
  const layout = await openLayoutTar(deps, ARCHIVE);
  assert.deepEqual(
    layout.entries().map(({ repository, tag }) => `${repository}:${tag}`),
    [made.image],
  );
  assert.equal((await deps.files.stat(ARCHIVE))?.sizeBytes, made.sizeBytes);
});

it("gives the same bytes again, so that a run that was killed loses nothing", async () => {
  const first = await system();
  const second = await system();
  await write(first);
  await write(second);
  await write(second);
  const bytes = (deps: Deps) => deps.files.read(ARCHIVE, { maxBytes: 1e9 });
  assert.deepEqual(await bytes(first), await bytes(second));
});

it("refuses a program that is none of ours", async () => {
  const deps = await system();
  await deps.files.write("/bin/alga-appliance", "#!/bin/sh\n");
  await assert.rejects(write(deps), { code: "image/bad-elf" });
  assert.equal(await deps.files.stat(ARCHIVE), undefined);
});
