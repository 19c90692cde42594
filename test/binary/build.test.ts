/** The build itself: the same bytes from any folder, both targets, and no executable out of broken sources. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { build, builtExecutable, copySources, sha256, sharedExecutable } from "../support/executable.ts";

const folders: string[] = [];

function sources(): string {
  const folder = copySources();
  folders.push(folder);
  return folder;
}

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe("the build", () => {
  it("makes the same bytes out of the same sources in another folder", () => {
    assert.equal(sha256(builtExecutable(sources())), sha256(sharedExecutable()));
  });

  it("makes an executable for arm64", () => {
    const file = builtExecutable(sources(), "arm64");
    assert.deepEqual(elfOf(file), { magic: "7f454c46", bits: 64, isLittleEndian: true, machine: AARCH64 });
    assert.ok(statSync(file).mode & 0o111, "it may be executed");
    const runner = emulator();
    if (runner === undefined) {
      console.log("skipped: running the arm64 executable (no qemu-aarch64-static with an arm64 libc here)");
      return;
    }
    const shown = spawnSync(runner[0], [...runner.slice(1), file, "version", "-o", "json"], { encoding: "utf8" });
    assert.equal(JSON.parse(shown.stdout).target, "linux-arm64", shown.stderr);
  });
});

/** ELF `e_machine`. @see elf(5) */
const AARCH64 = 183;

function elfOf(file: string): object {
  const head = Buffer.alloc(20);
  readSync(openSync(file, "r"), head);
  return {
    magic: head.subarray(0, 4).toString("hex"),
    bits: head[4] === 2 ? 64 : 32,
    isLittleEndian: head[5] === 1,
    machine: head.readUInt16LE(18),
  };
}

/** The words that run an arm64 program here: none on arm64, QEMU and its libraries elsewhere, undefined without them. */
function emulator(): [string, ...string[]] | undefined {
  if (process.arch === "arm64") return ["env"];
  const [qemu, libraries] = ["/usr/bin/qemu-aarch64-static", "/usr/aarch64-linux-gnu"];
  return existsSync(qemu) && existsSync(libraries) ? [qemu, "-L", libraries] : undefined;
}

interface Fault {
  readonly name: string;
  /** File below the sources. */
  readonly file: string;
  /** Its new text; absent: the file goes away. */
  readonly text?: (old: string) => string;
  /** What the build must say. */
  readonly says: RegExp;
}

const FAULTS: readonly Fault[] = [
  {
    name: "a template that is not YAML",
    file: "flux/base/namespaces.yaml",
    text: () => "kind: [Namespace\n",
    says: /Cannot embed "base\/namespaces\.yaml"/,
  },
  {
    name: "a manifest that is no Kubernetes object",
    file: "embed/control-plane/rbac.yaml",
    text: (old) => `${old}\n---\nname: nothing\n`,
    says: /Cannot embed "rbac\.yaml": .*apiVersion/,
  },
  { name: "a template that is not there", file: "flux/base/releases/temporal.yaml", says: /releases\/temporal\.yaml/ },
  {
    name: "a system file that is not there",
    file: "systemd/alga-appliance.sysusers",
    says: /alga-appliance\.sysusers/,
  },
  {
    name: "a style sheet that imports a missing one",
    file: "ui/app.css",
    text: (old) => `@import "./styles/nowhere.css";\n${old}`,
    says: /nowhere\.css/,
  },
  {
    name: "a broken style sheet",
    file: "ui/styles/base.css",
    text: (old) => `${old}\n.a { color: var(; }\n.b { ) }\n`,
    says: /base\.css/,
  },
  {
    name: "a page that does not parse",
    file: "ui/pages/welcome.ts",
    text: (old) => `${old}\nexport const = 1;\n`,
    says: /welcome\.ts/,
  },
  {
    name: "a page that names another host",
    file: "ui/index.html",
    text: (old) => old.replace("</head>", '<link rel="preload" href="https://cdn.example/x.js"></head>'),
    says: /names another host/,
  },
  {
    name: "a room that is not there",
    file: "src/publishing/commands.ts",
    says: /"src\/main\.ts": it imports "\.\/publishing\/commands\.ts"/,
  },
  {
    name: "a missing lazy import that a try surrounds",
    file: "src/cli/doctor-command.ts",
    text: (old) =>
      `${old}\nexport const late = async () => { try { return await import("./nowhere.ts"); } catch { return 0; } };\n`,
    says: /it imports "\.\/nowhere\.ts", which does not exist/,
  },
  {
    name: "a name that a file does not export",
    file: "src/cli/version-command.ts",
    text: (old) => `import { nobody } from "../core/errors.ts";\n${old}\nexport const other = nobody;\n`,
    says: /nobody/,
  },
];

describe("a build of broken sources fails and says why", () => {
  for (const fault of FAULTS) {
    it(fault.name, () => {
      const folder = sources();
      const file = join(folder, fault.file);
      if (fault.text === undefined) rmSync(file);
      else writeFileSync(file, fault.text(readFileSync(file, "utf8")));
      const result = build(folder);
      assert.equal(result.status, 1, result.stderr);
      assert.match(result.stderr, fault.says);
      assert.equal(result.file, undefined, "no executable is left behind");
    });
  }
});
