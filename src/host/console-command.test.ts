/** The console: what it gathers, where it writes it, and that the token stays where it may be seen. */
import assert from "node:assert/strict";
import { dirname } from "node:path/posix";
import { describe, it } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { statusWith } from "../../test/support/status.ts";
import { digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { createMemoryFiles, type MemoryFiles } from "../rehearsal/memory-files.ts";
import { bannerLines } from "./banner.ts";
import { commands } from "./console-command.ts";
import { consoleCharset, gatherBannerFacts, withStatus } from "./console-facts.ts";
import { writeBannerFiles } from "./console-files.ts";
import { consolePaths } from "./console-paths.ts";
import { CONSOLE_USER, readCredentialRecord, writeCredentialRecord } from "./credential.ts";

const PATHS = statePaths("/box");
const TOKEN = "0421-7734-9012-5568-1203";
const signal = new AbortController().signal;

interface Given {
  readonly answers?: boolean;
  readonly body?: string;
}

function world(given: Given = {}) {
  const files = createMemoryFiles();
  files.garble(PATHS.setupToken, `${TOKEN}\n`);
  let nowMs = 0;
  const state = {
    answers: given.answers ?? true,
    agent: true,
    screen: undefined as { rows: number; columns: number; cells: Uint8Array } | undefined,
  };
  const fetch = async (): Promise<Response> => {
    if (!state.answers) throw new ApplianceError("net/unreachable", "Cannot reach it: connection refused");
    return new Response(given.body ?? '{"ok":true,"mode":"setup"}');
  };
  const deps = {
    files,
    log: SILENT_LOG,
    clock: {
      now: () => nowMs,
      monotonic: () => nowMs,
      sleep: async (ms: number) => {
        nowMs += ms;
      },
      after: () => () => {},
    },
    machine: {
      bootId: async () => "boot-1",
      uptimeMs: async () => nowMs,
      hostName: async () => "box-7f3a",
      screen: async () => state.screen,
    } as Partial<Deps["machine"]> as Deps["machine"],
    network: { addresses: async () => ["192.0.2.10"] } as Partial<Deps["network"]> as Deps["network"],
    transports: {
      open: (options?: { readonly socketPath?: string }) =>
        options?.socketPath === undefined ? fetch : async () => new Response("{}", { status: state.agent ? 200 : 503 }),
    },
  };
  const run = (verb: string, flags: Readonly<Record<string, string | boolean>> = {}) => {
    const command = commands.find(({ path }) => path[1] === verb);
    assert.ok(command !== undefined);
    const made = commandContext({ deps, flags });
    return { command, ...made };
  };
  return { files, deps, state, run };
}

function journal(files: MemoryFiles, bootId: string, operation = "bootstrap"): void {
  const stamp = { at: "2026-11-21T00:00:00Z", uptimeMs: 1 };
  const steps = [{ id: "k3s-ready", title: "Wait for Kubernetes" }];
  const entries = [
    {
      kind: "planned",
      schema: "alga.appliance.journal/v1",
      operation,
      bootId,
      steps,
      plan: { bootId },
      seq: 1,
      ...stamp,
    },
    { kind: "step-started", step: "k3s-ready", attempt: 1, seq: 2, ...stamp },
  ];
  files.garble(
    `${PATHS.host}/journal/0001-${operation}.ndjson`,
    entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""),
  );
}

const options = { paths: PATHS, name: "box-7f3a", version: "1.0.3", port: 8080, showToken: true, signal };

describe("what the banner knows", () => {
  it("is the bootstrap of this boot, not of an older one", async () => {
    const { files, deps } = world({ answers: false });
    journal(files, "boot-1");
    assert.equal((await gatherBannerFacts(deps, options)).bootstrap?.steps[0]?.title, "Wait for Kubernetes");
    journal(files, "boot-0");
    assert.equal((await gatherBannerFacts(deps, options)).bootstrap, null);
  });
  it("is the reset that an earlier boot left: this one brings it to its end before anything else", async () => {
    const { files, deps } = world({ answers: false });
    journal(files, "boot-0", "reset");
    const facts = await gatherBannerFacts(deps, options);
    assert.match(bannerLines(facts).join("\n"), /The appliance is being removed, 0 of 1 steps done/);
    const other = world({ answers: false });
    journal(other.files, "boot-0", "recover");
    assert.equal((await gatherBannerFacts(other.deps, options)).bootstrap, null);
  });
  it("does not take another program on the port for the control plane", async () => {
    assert.equal((await gatherBannerFacts(world({ body: "<h1>It works</h1>" }).deps, options)).answers, false);
    assert.equal((await gatherBannerFacts(world({ body: "x".repeat(1_000_000) }).deps, options)).answers, false);
  });
  it("is the token only where it was asked for, and never of a claimed box", async () => {
    const { files, deps } = world();
    assert.equal((await gatherBannerFacts(deps, options)).token, TOKEN);
    assert.equal((await gatherBannerFacts(deps, { ...options, showToken: false })).token, null);
    files.garble(PATHS.adminCredential, "{}");
    assert.equal((await gatherBannerFacts(deps, options)).token, null);
  });
  it("is the sentence of the status document", async () => {
    const status = {
      ...statusWith(() => "ready"),
      summary: { state: "ready" as const, message: "People can log in", next: null },
    };
    const facts = withStatus(await gatherBannerFacts(world().deps, options), status, []);
    assert.match(bannerLines({ ...facts, claimed: true }).join("\n"), /People can log in/);
  });
  it("is what the kernel says of its consoles", async () => {
    const { files } = world();
    assert.equal(await consoleCharset({ files }), "ascii");
    files.garble("/sys/module/vt/parameters/default_utf8", "1\n");
    assert.equal(await consoleCharset({ files }), "utf8");
  });
});

describe("banners for login prompts", () => {
  it("never hold the token, also when the screen shows it, and obey no backslash", async () => {
    const { files, deps } = world();
    const facts = await gatherBannerFacts(deps, { ...options, name: "box\\n\\l" });
    const written = await writeBannerFiles(deps, facts, { root: "/box", columns: 80 });
    assert.equal(written.length, 3);
    for (const path of written) assert.ok(!files.snapshot().get(path)?.includes(TOKEN), path);
    assert.match(files.snapshot().get("/box/run/issue.d/alga-appliance.issue") ?? "", /box\\\\n\\\\l/);
    assert.deepEqual(await writeBannerFiles(deps, facts, { root: "/box", columns: 80 }), []);
  });
  it("are no reason to fail where a place cannot be written", async () => {
    const { files, deps } = world();
    const write: typeof files.write = async (path, text, how) => {
      if (path.includes("motd")) throw new ApplianceError("file/unwritable", "Cannot write: read-only");
      return files.write(path, text, how);
    };
    const facts = await gatherBannerFacts(deps, options);
    const written = await writeBannerFiles({ ...deps, files: { ...files, write } }, facts, {
      root: "/box",
      columns: 80,
    });
    assert.equal(written.length, 2);
  });
});

describe("console", () => {
  it("banner prints the token for the screen at the box, and none into a document", async () => {
    const { command, context, said } = world().run("banner", { token: true });
    await command.run(context);
    assert.ok(said.text.includes(TOKEN));
    assert.ok(!JSON.stringify(said.value).includes(TOKEN));
    const other = world().run("banner");
    await other.command.run(other.context);
    assert.ok(!other.said.text.includes(TOKEN));
  });
  it("watch draws when something changes and once a minute, and ends when it is told to", async () => {
    const { state, deps, run } = world({ answers: false });
    const { command, context } = run("watch", { token: true });
    const stop = new AbortController();
    const frames: string[] = [];
    let looks = 0;
    const sleep = async (ms: number): Promise<void> => {
      await deps.clock.sleep(ms);
      looks += 1;
      if (looks === 130) state.answers = true;
      if (looks === 135) stop.abort();
    };
    const out = { ...context.out, event: (_value: unknown, text: () => string) => void frames.push(text()) };
    await command.run({
      ...context,
      deps: { ...context.deps, clock: { ...deps.clock, sleep } },
      out,
      signal: stop.signal,
    });
    assert.deepEqual(
      frames.map((frame) => /The box starts|Set up this appliance/.exec(frame)?.[0]),
      ["The box starts", "The box starts", "Set up this appliance"],
    );
    assert.ok(frames.every((frame) => frame.startsWith("\u001b[H\u001b[J")));
  });
  it("watch takes the size of its screen, and draws again at once when anything else wrote there", async () => {
    const { state, deps, run } = world();
    const { command, context } = run("watch", { token: true, screen: "1" });
    const stop = new AbortController();
    const frames: { readonly text: string; readonly look: number }[] = [];
    const show = (
      lines: readonly string[],
      { rows, columns }: { readonly rows: number; readonly columns: number },
    ): void => {
      const text = Array.from({ length: rows }, (_row, row) =>
        (lines[row] ?? "").slice(0, columns).padEnd(columns),
      ).join("");
      state.screen = { rows, columns, cells: new Uint8Array([...text].flatMap((sign) => [sign.charCodeAt(0), 7])) };
    };
    const small = { rows: 12, columns: 60 };
    show([], small);
    let look = 0;
    let isDeaf = false;
    const days: Readonly<Record<number, () => void>> = {
      4: () => show(["usb 1-1: new device"], small),
      // Emptied right after it was drawn: it looks as it did before that, and is wrong.
      5: () => show([], small),
      8: () => {
        isDeaf = true;
        show(["a font of signs of its own"], small);
      },
      14: () => {
        isDeaf = false;
        show([], { rows: 48, columns: 128 });
      },
      18: () => stop.abort(),
    };
    const sleep = async (ms: number): Promise<void> => {
      await deps.clock.sleep(ms);
      look += 1;
      days[look]?.();
    };
    const event = (_value: unknown, text: () => string): void => {
      frames.push({ text: text(), look });
      const lines = text()
        .replace("\u001b[H\u001b[J", "")
        .replaceAll(/\u001b\[(?:7|27)m/g, "")
        .split("\n");
      if (!isDeaf && state.screen !== undefined) show(lines, state.screen);
    };
    const ports = { ...context.deps, clock: { ...deps.clock, sleep } };
    await command.run({ ...context, deps: ports, out: { ...context.out, event }, signal: stop.signal });
    assert.deepEqual(
      frames.map((frame) => frame.look),
      [0, 4, 5, 8, 14],
      "once for each of them, and not again and again where drawing changes nothing",
    );
    const widthOf = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));
    assert.ok(widthOf(frames[0]?.text ?? "") <= 66 && (frames[0]?.text.split("\n").length ?? 99) <= 11);
    assert.ok((frames.at(-1)?.text ?? "").includes("\u001b[7m"), "the larger screen has room for the code");
  });
  it("watch tells that it cannot look at the box, and goes on when it can", async () => {
    const { files, deps, run } = world();
    const { command, context } = run("watch", { token: true });
    const stop = new AbortController();
    const frames: string[] = [];
    let look = 0;
    const stat: typeof files.stat = async (path, options) => {
      if (look === 2 && path === PATHS.adminCredential)
        throw new ApplianceError("file/unreadable", "Cannot read it: EIO");
      return files.stat(path, options);
    };
    const sleep = async (ms: number): Promise<void> => {
      await deps.clock.sleep(ms);
      look += 1;
      if (look === 4) stop.abort();
    };
    const out = { ...context.out, event: (_value: unknown, text: () => string) => void frames.push(text()) };
    const ports = { ...context.deps, files: { ...files, stat }, clock: { ...deps.clock, sleep } };
    await command.run({ ...context, deps: ports, out, signal: stop.signal });
    assert.deepEqual(
      frames.map((frame) => /Set up this appliance|cannot tell how the box is: Cannot read it: EIO/.exec(frame)?.[0]),
      ["Set up this appliance", "cannot tell how the box is: Cannot read it: EIO", "Set up this appliance"],
    );
    assert.match(frames[1] ?? "", /Log in on this machine: Alt\+F2\n$/);
  });
  for (const screen of ["0", "64", "tty1", "../1"]) {
    it(`watch refuses the screen "${screen}"`, async () => {
      const { command, context } = world().run("watch", { screen });
      await assert.rejects(async () => command.run(context), { code: "cli/usage" });
    });
  }
  it("watch tells of a host agent that stays silent, and takes it back when it answers", async () => {
    const { state, deps, run } = world();
    const { command, context } = run("watch", { token: true });
    const stop = new AbortController();
    const frames: string[] = [];
    let look = 0;
    const sleep = async (ms: number): Promise<void> => {
      await deps.clock.sleep(ms);
      look += 1;
      if (look === 2) state.agent = false;
      if (look === 30) state.agent = true;
      if (look === 45) stop.abort();
    };
    const out = { ...context.out, event: (_value: unknown, text: () => string) => void frames.push(text()) };
    const ports = { ...context.deps, clock: { ...deps.clock, sleep } };
    await command.run({ ...context, deps: ports, out, signal: stop.signal });
    const told = frames.map((frame) => frame.includes("The host agent does not run"));
    assert.deepEqual([told[0], told.includes(true), told.at(-1)], [false, true, false]);
  });
  it("watch shows the first login, remembers that it did, and tells it nowhere else", async () => {
    const { files, deps, run } = world();
    const places = consolePaths(PATHS);
    files.garble(places.login, "bcdefghijknoprst\n");
    files.garble("/box/etc/passwd", `${CONSOLE_USER}:x:998:998::/:/bin/bash\n`);
    files.garble("/box/etc/shadow", `${CONSOLE_USER}:$6$ours:0::::::\n`);
    const record = {
      user: CONSOLE_USER,
      before: digestOf("!*"),
      made: digestOf("$6$ours"),
      bootId: "boot-1",
      shownUptimeMs: null,
    };
    await files.makeDirectory(dirname(places.credential));
    await writeCredentialRecord(files, places.credential, { ...record, state: "set" });
    const printed = run("banner", { token: true, login: true, write: true });
    await printed.command.run(printed.context);
    const elsewhere = [printed.said.text, JSON.stringify(printed.said.value)];
    assert.equal((await readRecord())?.state, "set", "a banner that was printed somewhere is not the screen");
    const { command, context } = run("watch", { login: true, write: true });
    const stop = new AbortController();
    const frames: string[] = [];
    const event = (value: unknown, text: () => string): void => {
      frames.push(text());
      elsewhere.push(JSON.stringify(value));
    };
    const sleep = async (): Promise<void> => stop.abort();
    const ports = { ...context.deps, clock: { ...deps.clock, sleep } };
    await command.run({ ...context, deps: ports, out: { ...context.out, event }, signal: stop.signal });
    assert.match(frames.join(), /alga-admin with bcde fghi jkno prst/);
    assert.equal((await readRecord())?.state, "shown");
    for (const [path, text] of files.snapshot()) if (path !== places.login) elsewhere.push(text);
    assert.ok(elsewhere.every((text) => !/bcde ?fghi/.test(text)));

    async function readRecord() {
      const found = await readCredentialRecord(files, places.credential);
      return found === "damaged" ? undefined : found;
    }
  });
});
