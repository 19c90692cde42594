/**
 * The guide of the host against the code: what it names is there under that name, what it lists is complete, what it gives to type can
 * be typed. What a command does is held elsewhere; here the words are held.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { HOST_FILES } from "../embed/manifests.ts";
import { parseInvocation } from "../src/cli/parse.ts";
import { ERROR_CODES, type ErrorCode } from "../src/core/error-codes.ts";
import { statePaths } from "../src/core/paths.ts";
import { JOURNAL_UNITS, readHostRequest } from "../src/host/agent-requests.ts";
import { BOOTSTRAP_STEPS } from "../src/host/bootstrap-steps.ts";
import type { FindingCode } from "../src/host/recover-findings.ts";
import { NOUNS } from "../src/main.ts";
import { HOST_FOLDER } from "../src/storage/objects.ts";

const ROOT = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const GUIDE = read("docs/host-guide.md");
const PAGE = read("docs/box-does-not-come-up.md");
interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const commands = (await Promise.all(NOUNS.map((noun) => noun.load()))).flat();

/** Rows of the table that begins with this heading, each as its cells. */
function table(first: string): readonly (readonly string[])[] {
  const lines = GUIDE.split("\n");
  const at = lines.findIndex((line) => line.startsWith(`| ${first} `));
  assert.ok(at >= 0, `the guide has no table of "${first}"`);
  const rows = lines.slice(at + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith("|")),
    )
    .map((row) =>
      row
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const coded = (cell = ""): string => /`([^`]+)`/.exec(cell)?.[1] ?? "";

/** Everything that a text gives to type to the executable: in blocks and in the middle of sentences. */
function typed(text: string): readonly string[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = ""]) => block.split("\n"));
  const inline = [...text.replaceAll(/^```[\s\S]*?^```$/gm, "").matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);
  return [...blocks, ...inline]
    .map((line) =>
      line
        .replaceAll("\n", " ")
        .replace(/ {2,}#.*$/, "")
        .trim(),
    )
    .filter((line) => /^(?:[A-Z_]+=\S+ )?(?:\.\/)?alga-appliance(?: |$)/.test(line));
}

/** @throws {assert.AssertionError} for a command that there is none of; what parsing throws for a flag that it does not know. */
function parse(line: string): void {
  const words = line.split(/ +/).filter((word) => !/^[A-Z_]+=/.test(word));
  const rest = words.slice(1);
  const found = commands
    .filter(({ path }) => path.every((word, index) => rest[index] === word))
    .sort((a, b) => b.path.length - a.path.length)[0];
  assert.ok(found !== undefined || NOUNS.some(({ name }) => rest.join(" ") === name), `there is no "${line}"`);
  if (found !== undefined) parseInvocation(found, rest.slice(found.path.length));
}

describe("commands of the host's guides", () => {
  for (const [name, text] of [
    ["host-guide", GUIDE],
    ["box-does-not-come-up", PAGE],
  ] as const) {
    it(`${name}: each can be typed`, () => {
      const lines = typed(text);
      assert.ok(lines.length > 1);
      for (const line of lines) parse(line);
    });
  }
  it("a command or a flag that there is none of is found: the check can fail", () => {
    assert.throws(() => parse("alga-appliance host tokens"));
    assert.throws(() => parse("alga-appliance reset --keep"));
  });
  it("a command of the host that is named without the executable's name is one too", () => {
    const named = [...GUIDE.matchAll(/`((?:host|console|recover|reset|bootstrap) [a-z][^`]*)`/g)].map(
      ([, line = ""]) => line,
    );
    for (const line of named) parse(`alga-appliance ${line}`);
  });
});

describe("units and folders of the guide", () => {
  const sources = ["src/host", "src/storage", "src/core", "src/setup"]
    .flatMap((folder) => readdirSync(join(ROOT, folder)).map((file) => `${folder}/${file}`))
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .map(read)
    .join("\n");
  it("the units are those that are laid down", () => {
    const ours = Object.keys(HOST_FILES).filter((path) => path.endsWith(".service"));
    const names = ours.map((path) => path.slice(path.lastIndexOf("/") + 1));
    assert.deepEqual(
      table("unit")
        .map(([unit]) => coded(unit))
        .sort(),
      names.sort(),
    );
  });
  it("each unit that a person is told to ask about is one of the box", () => {
    const units = [
      ...`${GUIDE}${PAGE}`.matchAll(/(?:systemctl [a-z-]+(?: --[a-z-]+)*|journalctl[^\n`]* -u) ([a-z][a-z0-9-]+)/g),
    ];
    assert.ok(units.length > 5);
    const known = ["k3s", ...Object.keys(HOST_FILES).map((path) => /([^/]+)\.service$/.exec(path)?.[1])];
    for (const [said, unit = ""] of units) {
      if (!/list-units|disable/.test(said)) assert.ok(known.includes(unit), said);
    }
  });
  it("each path of the first table is one that the code knows", () => {
    const known = [...Object.values(statePaths("/")), ...Object.keys(HOST_FILES), HOST_FOLDER];
    for (const [cell = ""] of table("path")) {
      const path = coded(cell);
      const isKnown = known.some((one) => one === path || one.startsWith(`${path}/`)) || sources.includes(`"${path}"`);
      assert.ok(isKnown, path);
    }
  });
  it("every other path of the host is spelled as the code spells it", () => {
    const paths = [...GUIDE.matchAll(/`(\/(?:etc|run|var|usr|opt)\/[^`*< ]+)`/g)].map(([, path = ""]) => path);
    assert.ok(paths.length > 15);
    const known = [...Object.values(statePaths("/")), ...Object.values(HOST_FILES), sources, HOST_FOLDER].join("\n");
    // What others lay down.
    const theirs = /^\/(?:etc\/default\/grub|var\/lib\/rancher|usr\/local\/bin)/;
    const unknown = paths.filter((path) => {
      const [folder, name] = [path.slice(0, path.lastIndexOf("/")), path.slice(path.lastIndexOf("/") + 1)];
      const parts = [path, path.slice(1), name, ...(known.includes(folder) ? [name.replace(/\..*$/, "")] : [])];
      return !theirs.test(path) && !parts.some((part) => part !== "" && known.includes(part));
    });
    assert.deepEqual(unknown, []);
  });
});

describe("a bootstrap as the guide tells it", () => {
  it("has these steps in this order", () => {
    const told = [...GUIDE.matchAll(/^\d+\. \*\*(.+?)[.:,]?\*\*/gm)].map(([, title = ""]) => title);
    assert.equal(told.length, BOOTSTRAP_STEPS.length, told.join("; "));
    for (const [index, { title }] of BOOTSTRAP_STEPS.entries())
      assert.ok(title.startsWith(told[index] ?? " "), `${title} is "${told[index]}"`);
  });
  it("is tried as often, and waits as long, as it says", () => {
    const unit = HOST_FILES["/usr/lib/systemd/system/alga-appliance-bootstrap.service"] ?? "";
    assert.match(GUIDE, /tried five times/);
    assert.deepEqual(new Set(BOOTSTRAP_STEPS.map(({ retry }) => retry?.attempts)), new Set([5]));
    assert.match(GUIDE, /again after 20 seconds, five times/);
    assert.match(unit, /^RestartSec=20s$/m);
    assert.match(read("src/host/bootstrap-command.ts"), /MAX_RESTARTS = 5;/);
    assert.match(GUIDE, /`host\/given-up`, exit code 3/);
    assert.equal(ERROR_CODES["host/given-up"].exit, 3);
  });
  it("each code that it may end with stands there, and each that stands there is thrown", () => {
    const told = table("code").map(([cell]) => coded(cell) as ErrorCode);
    const sources = readdirSync(join(ROOT, "src/host")).filter(
      (file) => file.endsWith(".ts") && !file.endsWith(".test.ts"),
    );
    const thrown = new Set(
      sources.flatMap((file) =>
        [...read(`src/host/${file}`).matchAll(/"(host\/[a-z0-9-]+)"/g)].map(([, code]) => code),
      ),
    );
    for (const code of told) assert.ok(code in ERROR_CODES && thrown.has(code), code);
    // Of commands, not of a start.
    const elsewhere = ["host/not-root", "host/network-invalid", "host/network-busy", "host/no-account"];
    const missing = [...thrown].filter(
      (code) => code !== undefined && !elsewhere.includes(code) && !GUIDE.includes(`\`${code}\``),
    );
    assert.deepEqual(missing, []);
  });
  it("what to do for a code is what the box says itself", () => {
    const causes = [
      "host-checks.ts",
      "k3s-causes.ts",
      "bootstrap-early.ts",
      "baked-images.ts",
      "control-plane-apply.ts",
    ]
      .map((file) => read(`src/host/${file}`))
      .join("\n");
    for (const [code, , todo = ""] of table("code")) {
      for (const [, command = ""] of todo.matchAll(/`([a-z][^`]*)`/g)) {
        const [program = "", verb = ""] = command.split(" ");
        assert.ok(causes.includes(`${program} ${verb}`) || causes.includes(program), `${code}: ${command}`);
      }
    }
  });
});

describe("the host agent as the guide tells it", () => {
  /** Known by the code, not told: the name of older control planes. */
  const OLD = ["POST /v1/control-plane/upgrade"];
  const told = table("request").map(([cell]) => coded(cell));
  it("answers each of these requests", () => {
    for (const request of told) {
      const [method = "", path = ""] = request.split(" ");
      const body = path === "/v1/reboot" ? '{"consent":"box"}' : "";
      assert.doesNotThrow(
        () => readHostRequest(method, new URL(path, "http://agent"), new TextEncoder().encode(body)),
        request,
      );
    }
  });
  it("answers no other", () => {
    const known = [...read("src/host/agent-requests.ts").matchAll(/^ {2}"((?:GET|POST) \/v1\/[a-z/-]+)":/gm)].map(
      ([, one = ""]) => one,
    );
    assert.deepEqual(
      known.filter((one) => !OLD.includes(one)).sort(),
      told.map((one) => one.replace(/\?.*$/, "")).sort(),
    );
  });
  it("reads these journals", () => {
    const row = table("request").find(([cell = ""]) => cell.includes("/v1/journal"))?.[1] ?? "";
    assert.deepEqual(
      [...row.matchAll(/`([a-z0-9]+)`/g)].map(([, unit = ""]) => unit).sort(),
      Object.keys(JOURNAL_UNITS).sort(),
    );
  });
});

describe("what the control plane may do, and which one runs, as the guide tells it", () => {
  it("has no star and no update, and deletes these alone", () => {
    const rules = parseAllDocuments(read("embed/control-plane/rbac.yaml")).flatMap((document) => {
      const { kind, rules = [] } = document.toJS() as { kind: string; rules?: readonly Rule[] };
      return rules.map((rule) => ({ ...rule, kind }));
    });
    assert.ok(rules.length > 10);
    assert.deepEqual(
      rules.filter(({ verbs, resources, apiGroups }) =>
        [...verbs, ...resources, ...apiGroups].some((word) => word === "*" || word === "update"),
      ),
      [],
    );
    const deletes = rules.filter(({ verbs }) => verbs.includes("delete") || verbs.includes("deletecollection"));
    assert.deepEqual(deletes.flatMap(({ resources, kind }) => resources.map((one) => `${kind} ${one}`)).sort(), [
      "ClusterRole configmaps",
      "ClusterRole jobs",
      "ClusterRole pods",
      "ClusterRole secrets",
      "ClusterRole storageclasses",
      "Role persistentvolumeclaims",
    ]);
  });
  it("counts a new one as bad after the time and the ends that are told", () => {
    assert.match(GUIDE, /within three minutes, or ended three times/);
    assert.match(read("embed/control-plane/workload.yaml"), /progressDeadlineSeconds: 180$/m);
    assert.match(read("src/host/control-plane-facts.ts"), /MANY_ENDS = 3;/);
  });
});

/** What the table of recover says of each finding: a new one is told there, or this does not compile. */
const TOLD: Readonly<Record<FindingCode, string>> = {
  "no-network": "the box has no network",
  "disk-full": "the disk is full",
  "clock-wrong": "the clock is wrong",
  "authority-ended": "its authority has ended",
  "no-cgroup": "the kernel has no control groups",
  "executable-gone": "the executable is not where the units look for it",
  "payload-gone": "the payload is gone too",
  "k3s-gone": "its program is gone",
  "k3s-stopped": "k3s is stopped",
  "k3s-not-at-boot": "masked, disabled",
  kubeconfig: "the kubeconfig is gone, damaged, or names another cluster",
  "kubernetes-silent": "Kubernetes does not answer, or its node is not ready",
  "node-not-ready": "Kubernetes does not answer, or its node is not ready",
  "control-plane-gone": "the Deployment is gone",
  "control-plane-off": "scaled to nothing",
  "control-plane-image-gone": "containerd lost the image",
  "control-plane-unhealthy": "the control plane does not become healthy, or does not answer",
  "control-plane-silent": "the control plane does not become healthy, or does not answer",
  "port-taken": "another program holds its port",
  "settings-file": "the settings file cannot be used",
  "state-folder": "the state folder is gone",
  "state-file": "a file of it is cut off, empty or written over",
  "state-journal": "a journal or the history lost its end",
  "state-owner": "files belong to another user",
  "state-open": "others can read secrets",
  "credential-lost": "the management password's file is lost",
  "document-lost": "the state folder is gone",
};

describe("recover and storage as the guide tells them", () => {
  it("each thing that recover finds is told with what becomes of it", () => {
    const rows = table("what is wrong").map(([wrong = ""]) => wrong.replaceAll("`", ""));
    for (const [code, words] of Object.entries(TOLD))
      assert.ok(
        rows.some((row) => row.includes(words)),
        `${code}: ${words}`,
      );
    for (const row of rows)
      assert.ok(
        Object.values(TOLD).some((words) => row.includes(words)),
        row,
      );
  });
  it("each line of storage check is told", () => {
    const codes = /readonly code: ((?:"[a-z-]+"(?: \| )?)+);/.exec(read("src/storage/findings.ts"))?.[1] ?? "";
    const all = [...codes.matchAll(/"([a-z-]+)"/g)].map(([, code = ""]) => code).filter((code) => code !== "cluster");
    assert.deepEqual(
      table("line")
        .map(([cell]) => coded(cell))
        .sort(),
      all.sort(),
    );
  });
});
