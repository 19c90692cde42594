/** What containerd says, read: names of an import as its versions write them, and archives brought in by hand. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { ARCHIVE, BAKED, createFakeHost } from "../../test/crash/fake-host.ts";
import { commandContext } from "../../test/support/command-context.ts";
import type { Deps } from "../core/ports.ts";
import { hasImage, importedNames } from "./containerd.ts";
import { commands } from "./image-command.ts";

const PAUSE = "docker.io/rancher/mirrored-pause:3.6";
const DIGEST = `sha256:${"a".repeat(64)}`;

describe("names of an import", () => {
  const CASES: readonly (readonly [name: string, said: string, names: readonly string[] | undefined])[] = [
    ["1.x", `unpacking ${PAUSE} (${DIGEST})...done\nunpacking ${BAKED} (${DIGEST})...done\n`, [PAUSE, BAKED]],
    ["2.x", `${PAUSE}   \tsaved\t\n└──manifest (aaaaaaaaaaaa)   \tcomplete\t|++|\n`, [PAUSE]],
    [
      "2.4: blanks for hyphens, and cut",
      `localhost/alga appliance control plane:b\tsaved\t\napplication/vnd.oci.image.manifest.v1+json ${DIGEST}\nlocalhost/pause:1   \tsaved\t\n`,
      [BAKED, "localhost/pause:1"],
    ],
    [
      "2.4: blanks for hyphens alone",
      "docker.io/rancher/mirrored coredns:1\tsaved\t\n",
      ["docker.io/rancher/mirrored-coredns:1"],
    ],
    [
      "2.4: one of two lines that could be several",
      `localhost/pause:1\tsaved\t\ndocker.io/rancher/mirrored \tsaved\t\n`,
      undefined,
    ],
    ["2.x with digests", `${BAKED}   \tsaved\napplication/vnd.oci.image.index.v1+json ${DIGEST}\n`, [BAKED]],
    ["a name that is cut", `${BAKED.slice(0, 40)}\tsaved\n`, [BAKED]],
    ["a name that is cut, and marked so", `${BAKED.slice(0, 37)}...\tsaved\n`, [BAKED]],
    ["a name that is cut and could be two", `docker.io/rancher/mirrored-\tsaved\n`, undefined],
    ["a name that is cut too short", `docker.io/ranch\tsaved\n`, undefined],
    ["one of two that nobody knows", `${BAKED}\tsaved\nquay.io/other/image:1\tsaved\n`, undefined],
    ["other words", "Done.\n", undefined],
    ["nothing", "", undefined],
  ];
  const now = new Set([PAUSE, BAKED, "docker.io/rancher/mirrored-coredns:1", "localhost/pause:1"]);
  for (const [name, said, names] of CASES) {
    it(name, () => {
      const told = importedNames(said, now);
      assert.deepEqual(told && [...told], names);
    });
  }
});

it("finds an image by its name, or by its digest in the same repository, with a port or without", () => {
  const images = new Set([`harbor.example:5000/alga/cp@${DIGEST}`, "harbor.example:5000/alga/cp:1"]);
  assert.ok(hasImage(images, "harbor.example:5000/alga/cp:1"));
  assert.ok(hasImage(images, `harbor.example:5000/alga/cp:other@${DIGEST}`));
  assert.ok(!hasImage(images, "harbor.example:5000/alga/cp:2"));
  assert.ok(!hasImage(images, `harbor.example:5001/alga/cp@${DIGEST}`));
  assert.ok(!hasImage(images, "harbor.example:5000/alga/cp"));
});

describe("host image import", () => {
  const run = (args: readonly string[]) => {
    const host = createFakeHost(createFakeBox({ instant: true }));
    host.state.k3s = "active";
    const deps = host.deps() as Partial<Deps>;
    const { context, said } = commandContext({ deps, args, env: { ALGA_APPLIANCE_ROOT: "/" } });
    return { host, said, run: () => commands[0]?.run(context) ?? Promise.reject(new Error("no command")) };
  };
  it("names what it brought, also when it was there", async () => {
    const { said, run: again } = run([ARCHIVE]);
    assert.equal(await again(), 0);
    assert.deepEqual(said.value, { archives: [ARCHIVE], images: [BAKED] });
    await again();
    assert.deepEqual(said.value, { archives: [ARCHIVE], images: [BAKED] });
  });
  it("imports none of them when one is no file", async () => {
    const { host, run: once } = run([ARCHIVE, "/media/usb/none.tar"]);
    await assert.rejects(once(), { code: "cli/usage", message: /"\/media\/usb\/none\.tar": it is no file/ });
    assert.deepEqual([...host.state.images], []);
  });
});
