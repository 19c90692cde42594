/** The units as systemd itself reads them: clean, and as closed as the guide says. Skipped where there is no systemd-analyze. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, describe, it } from "node:test";
import { HOST_FILES } from "../../embed/manifests.ts";
import { expandAlias } from "../../src/cli/nouns.ts";
import { giveToken } from "../../src/host/host-files.ts";
import { systemExec } from "../../src/platform/exec.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const ANALYZE = "/usr/bin/systemd-analyze";
const UNITS = ["/usr/lib/systemd/system", "/lib/systemd/system"].find((folder) =>
  existsSync(`${folder}/sysinit.target`),
);
const missing = existsSync(ANALYZE) && UNITS !== undefined ? undefined : "systemd is not installed";
/** Versions of systemd weigh some settings differently; the one that the guide names is held to its word. */
const GUIDE_VERSION = 252;

const ours = Object.entries(HOST_FILES).filter(([path]) => path.endsWith(".service"));

/** A tree with systemd's own units, ours, and something to start in the place of the executable. */
function tree(): string {
  const root = mkdtempSync(join(tmpdir(), "alga-units-"));
  cpSync(UNITS ?? "", join(root, "usr/lib/systemd/system"), { recursive: true, verbatimSymlinks: true });
  mkdirSync(join(root, "usr/local/bin"), { recursive: true });
  writeFileSync(join(root, "usr/local/bin/alga-appliance"), "#!/bin/sh\n", { mode: 0o755 });
  for (const [path, text] of ours) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const analyze = (...args: string[]): Promise<{ readonly code: number; readonly said: string }> =>
  new Promise((done) => {
    execFile(ANALYZE, args, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : 1, said: `${stdout}${stderr}` }),
    );
  });

const run = async (...argv: readonly [string, ...string[]]): Promise<void> => {
  const { code, stderr } = await systemExec(argv, { timeoutMs: 60_000 });
  assert.equal(code, 0, `${argv.join(" ")}: ${stderr}`);
};

if (missing !== undefined) {
  process.stdout.write(`skipped: the units: ${missing}\n`);
  it("the units", { skip: missing }, () => {});
} else {
  describe("the units, read by systemd", () => {
    const root = tree();
    after(() => rmSync(root, { recursive: true, force: true }));
    const version = Number(/^systemd (\d+)/.exec(execFileSync(ANALYZE, ["--version"], { encoding: "utf8" }))?.[1]);
    const tolerance = version === GUIDE_VERSION ? 0 : 0.5;
    const guide = readFileSync(join(ROOT, "docs/host-guide.md"), "utf8");
    for (const [path] of ours) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      it(`${name} is clean`, async () => {
        assert.deepEqual(await analyze("verify", `--root=${root}`, "--man=no", name), { code: 0, said: "" });
      });
      it(`${name} is as closed as the guide says`, async () => {
        const { said } = await analyze("security", "--offline=true", `--root=${root}`, name);
        const measured = Number(/exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
        const told = Number(
          new RegExp(`\`${name.replaceAll(".", "\\.")}\`[^\\n]*\\| +([\\d.]+) +\\|`).exec(guide)?.[1],
        );
        assert.ok(Math.abs(measured - told) <= tolerance, `${measured} was measured, the guide says ${told}`);
      });
    }
    it("no unit ends in silence: each starts again, and the last word stands on a screen", () => {
      for (const [path, text] of ours) assert.match(text, /^Restart=(?:always|on-failure)$/m, path);
      const [, consoleUnit = ""] = ours.find(([path]) => path.includes("console")) ?? [];
      assert.match(consoleUnit, /^OnFailure=getty@tty1\.service$/m);
      const stopped = join(root, "console-stopped.conf");
      writeFileSync(stopped, HOST_FILES["/usr/share/alga-appliance/console-stopped.conf"] ?? "");
      const note = join(root, "run/issue.d/alga-appliance.issue");
      mkdirSync(dirname(note), { recursive: true });
      writeFileSync(note, "People can log in at https://psa.example.com\n");
      execFileSync("systemd-tmpfiles", [`--root=${root}`, "--create", stopped]);
      assert.match(readFileSync(note, "utf8"), /^\nAlga Appliance: its screen is not drawn now\. Log in here\.\n/);
      // To agetty a backslash begins an instruction.
      assert.ok(!readFileSync(note, "utf8").includes("\\") && !readFileSync(note, "utf8").includes("People"));
      assert.match(consoleUnit, /^ExecStopPost=-\/usr\/bin\/systemd-tmpfiles --create \/usr\/share\/alga-appliance\//m);
    });
    it("an unknown setting is found: the check can fail", async () => {
      writeFileSync(
        join(root, "usr/lib/systemd/system/wrong.service"),
        "[Service]\nExecStart=/usr/local/bin/alga-appliance\nProtectEverything=yes\n",
      );
      assert.match((await analyze("verify", `--root=${root}`, "--man=no", "wrong.service")).said, /ProtectEverything/);
    });
  });

  const isRoot = process.getuid?.() === 0;
  describe("user, group and folders, made by systemd", { skip: isRoot ? false : "it needs root" }, () => {
    const root = mkdtempSync(join(tmpdir(), "alga-folders-"));
    after(() => rmSync(root, { recursive: true, force: true }));
    const place = (path: string): string => {
      const target = join(root, path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, HOST_FILES[path] ?? "");
      return target;
    };
    const make = async (): Promise<void> => {
      await run("systemd-sysusers", `--root=${root}`, place("/usr/lib/sysusers.d/alga-appliance.conf"));
      place("/usr/lib/tmpfiles.d/alga-appliance.conf");
      await run("systemd-tmpfiles", `--root=${root}`, "--create", "alga-appliance.conf");
    };
    const shown = (path: string): string => {
      const { uid, gid, mode } = statSync(join(root, path));
      return `${uid}:${gid} ${(mode & 0o777).toString(8)}`;
    };
    it("are what the control plane needs, and the host's own folder is root's", async () => {
      mkdirSync(join(root, "etc"), { recursive: true });
      await make();
      assert.match(readFileSync(join(root, "etc/passwd"), "utf8"), /^alga-appliance:x:10001:10001:/m);
      assert.deepEqual(
        ["alga-appliance", "alga-appliance/secrets", "alga-appliance/journal", "alga-appliance-host"].map((name) =>
          shown(`var/lib/${name}`),
        ),
        ["10001:10001 750", "10001:10001 700", "10001:10001 700", "0:0 700"],
      );
      assert.equal(shown("run/alga-appliance"), "0:0 755");
    });
    it("are there under the names that older scripts type, which older appliances did not link or linked to their own", async () => {
      const old = join(root, "usr/local/bin/alga-appliance-reset-admin");
      mkdirSync(dirname(old), { recursive: true });
      rmSync(old, { force: true });
      symlinkSync("/opt/alga-appliance/bin/alga-appliance-reset-admin", old);
      await make();
      await make();
      for (const name of ["alga-control-plane-reapply", "alga-appliance-reset-admin"]) {
        assert.equal(readlinkSync(join(root, "usr/local/bin", name)), "alga-appliance");
        assert.notDeepEqual(expandAlias(name, []), [], `${name} means nothing`);
      }
    });
    it("are made again beside a token of the first boot, which is the control plane's without a link being followed", async () => {
      const token = join(root, "var/lib/alga-appliance/setup-token");
      writeFileSync(token, "token\n", { mode: 0o600 });
      const signal = new AbortController().signal;
      await giveToken({ deps: { exec: systemExec }, signal }, token);
      assert.equal(shown("var/lib/alga-appliance/setup-token"), "10001:10001 600");
      await make();
      rmSync(token);
      symlinkSync(join(root, "etc/passwd"), token);
      await giveToken({ deps: { exec: systemExec }, signal }, token);
      assert.equal(shown("etc/passwd").split(" ")[0], "0:0");
    });
  });
}
