/**
 * The control-plane image before the tools of others: it is built by the executable that it holds, without a daemon, and then
 * read by skopeo, umoci and crane, and started by podman as the user of the image, with a root that cannot be written.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { startDockerRegistry } from "../support/docker-registry.ts";
import { eventually } from "../support/eventually.ts";
import { build as compile, copySources, sharedExecutable } from "../support/executable.ts";
import { describeWithTools, runTool, tryTool } from "../support/real-tools.ts";

const REPOSITORY = "alga-appliance-control-plane";
const TAG = "9.9.9";
const QEMU = "/usr/bin/qemu-aarch64-static";
const CROSS = "/usr/aarch64-linux-gnu";

const place = mkdtempSync(join(tmpdir(), "control-plane-"));
const executable = (): string => process.env.ALGA_EXECUTABLE ?? sharedExecutable();
const layout = join(place, "layout");
const image = `oci:${layout}:${REPOSITORY}:${TAG}`;

after(() => rmSync(place, { recursive: true, force: true }));

/** Runs the executable as a publisher does: nothing but a path and the time of the sources in its environment. */
function build(out: string, ...words: readonly string[]): Record<string, unknown> {
  const env = { PATH: "/usr/bin:/bin", PWD: place, SOURCE_DATE_EPOCH: "1700000000" };
  const command = ["release", "image", "--tag", TAG, "--out", out, "-o", "json", ...words];
  const { status, stdout, stderr } = spawnSync(executable(), command, { encoding: "utf8", env, cwd: place });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return JSON.parse(stdout);
}

describeWithTools(["skopeo"], "the control-plane image", () => {
  before(() => void build(layout, "--runtime-libs", "/"));

  it("is the same from two runs", { timeout: 120_000 }, () => {
    const again = join(place, "again");
    build(again, "--runtime-libs", "/");
    assert.deepEqual(contents(again), contents(layout));
  });

  it("says to skopeo who it is", { timeout: 60_000 }, async () => {
    const config = JSON.parse(await runTool("skopeo", ["inspect", "--config", image]));
    assert.equal(config.config.User, "10001:10001");
    assert.deepEqual(config.config.Entrypoint, ["/usr/local/bin/alga-appliance"]);
    assert.equal(config.created, "2023-11-14T22:13:20Z");
    assert.equal(config.config.Labels["org.opencontainers.image.version"], TAG);
  });

  describeWithTools(["umoci"], "unpacked by umoci", () => {
    it("holds the executable, its libraries and the accounts", { timeout: 120_000 }, async () => {
      const bundle = join(place, "bundle");
      await runTool("umoci", ["unpack", "--image", `${layout}:${REPOSITORY}:${TAG}`, bundle]);
      const root = join(bundle, "rootfs");
      const inside = statSync(join(root, "usr/local/bin/alga-appliance"));
      assert.equal(inside.mode & 0o7777, 0o755);
      assert.equal(sha256(join(root, "usr/local/bin/alga-appliance")), sha256(executable()));
      const state = statSync(join(root, "var/lib/alga-appliance"));
      assert.deepEqual([state.uid, state.gid, state.mode & 0o7777], [10_001, 10_001, 0o750]);
      assert.equal(statSync(join(root, "tmp")).mode & 0o7777, 0o1777);
      assert.match(readFileSync(join(root, "etc/passwd"), "utf8"), /^alga-appliance:x:10001:10001:/m);
    });
  });

  describeWithTools(["crane", "docker-registry"], "in a registry", () => {
    it("is found whole by crane, all platforms and layers", { timeout: 180_000 }, async () => {
      const registry = await startDockerRegistry({ auth: { kind: "none" } });
      try {
        const reference = `127.0.0.1:${registry.port}/${REPOSITORY}:${TAG}`;
        await runTool("skopeo", [
          "copy",
          "--quiet",
          "--all",
          "--dest-tls-verify=false",
          image,
          `docker://${reference}`,
        ]);
        const digest = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")).manifests[0].digest;
        assert.equal((await runTool("crane", ["digest", "--insecure", reference])).trim(), digest);
        await runTool("crane", ["validate", "--insecure", "--remote", reference]);
      } finally {
        await registry.stop();
      }
    });
  });

  describeWithTools(["podman"], "started by podman", () => {
    const name = `localhost/alga-control-plane-test:${process.pid}`;
    // Podman raises limits by itself, which a machine without CAP_SYS_RESOURCE refuses.
    const limits = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=10000:10000"];
    const podman = (...words: readonly string[]) =>
      tryTool("podman", ["--runtime", "runc", ...words], { timeoutMs: 60_000 });
    const run = ["run", "--rm", "--read-only", "--cap-drop", "all", ...limits];
    let reason: string | undefined;

    before(async () => {
      const copied = await tryTool("skopeo", ["copy", "--quiet", image, `containers-storage:${name}`]);
      const started = copied.code === 0 ? await podman(...run, name, "version") : copied;
      if (started.code !== 0) reason = `podman cannot run here: ${started.stderr.trim().slice(0, 200)}`;
    });
    after(async () => void (await podman("rmi", "--force", name)));

    it("tells its version", { timeout: 60_000 }, async (context) => {
      if (reason !== undefined) return context.skip(reason);
      const { code, stdout } = await podman(...run, "--network", "none", name, "version", "-o", "json");
      assert.equal(code, 0);
      assert.match(JSON.parse(stdout).target, /^linux-/);
    });

    it("serves as its own user, on a root that cannot be written, and ends when it is told", {
      timeout: 60_000,
    }, async (context) => {
      if (reason !== undefined) return context.skip(reason);
      const container = `alga-control-plane-test-${process.pid}`;
      const port = 20_000 + (process.pid % 10_000);
      const state = ["--mount", "type=tmpfs,destination=/var/lib/alga-appliance,chown,tmpfs-mode=0750"];
      const words = ["--listen", "127.0.0.1", "--port", String(port)];
      const started = await podman(
        ...run,
        "--detach",
        "--network",
        "host",
        "--name",
        container,
        ...state,
        name,
        "serve",
        ...words,
      );
      assert.equal(started.code, 0, started.stderr);
      try {
        const address = `http://127.0.0.1:${port}/healthz`;
        await eventually("the container answers", async () => (await statusOf(address)) === 200);
        const { stdout } = await podman("inspect", "--format", "{{.State.Pid}}", container);
        const status = readFileSync(`/proc/${stdout.trim()}/status`, "utf8");
        assert.match(status, /^Uid:\s+10001\s+10001/m);
        assert.match(status, /^Gid:\s+10001\s+10001/m);
        const begun = Date.now();
        assert.equal((await podman("stop", "--time", "20", container)).code, 0);
        assert.ok(Date.now() - begun < 15_000, "it was killed instead of ending by itself");
      } finally {
        await podman("rm", "--force", container);
      }
    });
  });

  describeWithTools(["umoci", "crane", "docker-registry"], "on a base image of others", () => {
    it("takes over the layers that umoci made, out of a layout that crane wrote", { timeout: 180_000 }, async () => {
      const [made, pulled, files] = [join(place, "made"), join(place, "pulled"), join(place, "files")];
      const built = join(place, "bundle/rootfs");
      for (const name of readdirSync(built).filter((one) => one.startsWith("lib"))) {
        cpSync(join(built, name), join(files, name), { recursive: true });
      }
      await runTool("umoci", ["init", "--layout", made]);
      await runTool("umoci", ["new", "--image", `${made}:1`]);
      await runTool("umoci", ["insert", "--image", `${made}:1`, files, "/"]);
      const registry = await startDockerRegistry({ auth: { kind: "none" } });
      try {
        const reference = `127.0.0.1:${registry.port}/base:1`;
        await runTool("skopeo", [
          "copy",
          "--quiet",
          "--dest-tls-verify=false",
          `oci:${made}:1`,
          `docker://${reference}`,
        ]);
        await runTool("crane", ["pull", "--insecure", "--format=oci", reference, pulled]);
        const digest = (await runTool("crane", ["digest", "--insecure", reference])).trim();
        const fromLayout = build(join(place, "on-layout"), "--base", `oci:${pulled}@${digest}`);
        const fromRegistry = build(join(place, "on-registry"), "--base", `127.0.0.1:${registry.port}/base@${digest}`);
        const layersOf = (built: Record<string, unknown>) =>
          (built.platforms as { layers: { digest: string }[] }[])[0]?.layers;
        const [below] = JSON.parse(await runTool("crane", ["manifest", "--insecure", reference])).layers;
        assert.equal(layersOf(fromLayout)?.[0]?.digest, below.digest);
        assert.equal(layersOf(fromRegistry)?.[0]?.digest, below.digest);
      } finally {
        await registry.stop();
      }
    });
  });

  const missing = [QEMU, CROSS].filter((path) => !existsSync(path));
  const skip = missing.length === 0 ? false : `not there: ${missing.join(", ")}`;
  describeWithTools(["umoci"], "of the other machine", () => {
    it("starts under emulation with the libraries that were packed", { timeout: 240_000, skip }, async (context) => {
      const other = executableOfOtherMachine();
      if (other === undefined) return context.skip("bun cannot compile for arm64 here");
      const arm = join(place, "arm64");
      build(arm, "--executable", other, "--runtime-libs", `arm64=${CROSS}`);
      const bundle = join(place, "arm64-bundle");
      await runTool("umoci", ["unpack", "--image", `${arm}:${REPOSITORY}:${TAG}`, bundle]);
      const root = join(bundle, "rootfs");
      const words = ["-L", root, join(root, "usr/local/bin/alga-appliance"), "version"];
      const ran = spawnSync(QEMU, words, { encoding: "utf8" });
      assert.equal(ran.status, 0, ran.stderr);
      assert.match(ran.stdout, /linux-arm64/);
    });
  });
});

/** `npm run build` lays it beside the one of this machine; else it is compiled from a copy of the sources. */
function executableOfOtherMachine(): string | undefined {
  const beside = `${process.env.ALGA_EXECUTABLE ?? ""}-arm64`;
  if (existsSync(beside)) return beside;
  const sources = copySources();
  after(() => rmSync(sources, { recursive: true, force: true }));
  return compile(sources, "arm64").file;
}

async function statusOf(address: string): Promise<number | undefined> {
  return await fetch(address).then(
    (answer) => answer.status,
    () => undefined,
  );
}

/** Every file of a layout with its digest. */
function contents(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => `${path.slice(folder.length)} ${sha256(path)}`)
    .sort();
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
