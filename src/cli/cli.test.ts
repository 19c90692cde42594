/** The command line: every way to type it, and what comes back. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ApplianceError } from "../core/errors.ts";
import type { Command, CommandContext } from "./command.ts";
import { completionCommands } from "./completion-command.ts";
import { commandHelp, overviewHelp } from "./help.ts";
import { parsePort, tlsPort } from "./listen-flags.ts";
import { nearest } from "./nearest.ts";
import type { Noun } from "./nouns.ts";
import { type Environment, runCommandLine } from "./run.ts";
import { resolveSettings, SETTINGS, salvageSettings, settingsOrDefaults } from "./settings.ts";
import { createOutput } from "./terminal-output.ts";
import { commands as versionCommands } from "./version-command.ts";

const greet: Command = {
  path: ["greet"],
  summary: "Greet somebody",
  flags: [{ name: "tone", type: "string", choices: ["warm", "cold"], summary: "How" }],
  positionals: [{ name: "who", summary: "a name" }],
  examples: [{ command: "alga-appliance greet Ada", about: "A name" }],
  run: async ({ args, out, flags }) => {
    out.result({ hello: args[0], tone: flags.tone ?? null }, () => `Hello ${args[0]}`);
    return 0;
  },
};
const failing: Command = {
  path: ["box", "open"],
  summary: "Open",
  flags: [],
  examples: [],
  run: async () => {
    throw new ApplianceError("operation/busy", 'Cannot open box "a": it is being updated', {
      hint: "Wait",
      details: { id: 7 },
    });
  },
};
const crashing: Command = {
  ...failing,
  path: ["box", "crash"],
  run: async () => Promise.reject(new Error("password=hunter2")),
};
const family: Command = { ...failing, path: ["box", "lid", "lift"], summary: "Lift" };
const short: Command = { ...failing, path: ["box", "seal"], summary: "Show the seal" };
const long: Command = { ...failing, path: ["box", "seal", "break"], summary: "Break the seal" };
const nouns: readonly Noun[] = [
  { name: "greet", group: "G", summary: "Greet somebody", load: async () => [greet] },
  { name: "box", group: "G", summary: "Boxes", load: async () => [failing, crashing, family, short, long] },
  { name: "version", group: "G", summary: "Version", load: async () => versionCommands },
];

async function type(
  line: string,
  more: Partial<Environment> = {},
): Promise<{ code: number; out: string; err: string; failures: unknown[] }> {
  const seen = { out: "", err: "", failures: [] as unknown[] };
  const code = await runCommandLine(nouns, {
    words: line.split(" ").filter((word) => word !== ""),
    baseName: "alga-appliance",
    streams: {
      out: (text) => {
        seen.out += text;
      },
      err: (text) => {
        seen.err += text;
      },
    },
    stdoutIsTerminal: false,
    stderrIsTerminal: false,
    columns: 80,
    env: {},
    bare: { build: { version: "1.2.3", revision: "abc", target: "linux-x64" }, runtime: "bun 1" },
    context: async (invocation, out) => ({ ...invocation, out }) as Partial<CommandContext> as CommandContext,
    onFailure: (thrown) => void seen.failures.push(thrown),
    ...more,
  });
  return { code, ...seen };
}

describe("the command line", () => {
  it("runs a command and prints its result in the asked form", async () => {
    assert.deepEqual(await type("greet Ada"), { code: 0, out: "Hello Ada\n", err: "", failures: [] });
    assert.deepEqual(JSON.parse((await type("greet Ada --json --tone warm")).out), { hello: "Ada", tone: "warm" });
    assert.equal((await type("greet Ada -o yaml")).out, "hello: Ada\ntone: null\n");
  });
  it("shows help for nothing, a noun, a verb and a flag", async () => {
    assert.match((await type("")).out, /Usage: alga-appliance <noun>/);
    assert.match((await type("box")).out, /open +Open/);
    assert.match((await type("box lid")).out, /Usage: alga-appliance box lid <verb> \[flags\]\n\n +lid lift +Lift/);
    assert.match((await type("box open -h")).out, /Usage: alga-appliance box open \[flags\]/);
    assert.match((await type("greet --help")).out, /--tone <value> +How \(warm\|cold\)/);
  });
  it("takes the command with the most words, whichever stands first", async () => {
    assert.match((await type("box seal --help")).out, /Usage: alga-appliance box seal \[flags\]/);
    assert.match((await type("box seal break --help")).out, /Usage: alga-appliance box seal break \[flags\]/);
  });
  const mistakes: readonly [string, RegExp][] = [
    ["gret Ada", /there is no such command\nNext: alga-appliance greet/],
    ["box opne", /Next: alga-appliance box open/],
    ["box lid lfit", /Cannot run "alga-appliance box lid lfit"[\s\S]*Next: alga-appliance box lid lift/],
    ["greet", /<who> is missing/],
    ["greet Ada Bob", /"Bob" is one word too many/],
    ["greet Ada --tona warm", /there is no flag "--tona", --tone is near/],
    ["greet Ada --tone hot", /--tone is "hot", one of warm, cold is wanted/],
    ["greet Ada --tone", /Cannot run "greet": /],
  ];
  for (const [line, message] of mistakes) {
    it(`says what is wrong with: ${line}`, async () => {
      const { code, err } = await type(line);
      assert.equal(code, 2);
      assert.match(err, message);
    });
  }
  it("gives the code, the hint and the details of an error, in text and in JSON", async () => {
    const text = await type("box open");
    assert.deepEqual([text.code, text.err], [5, 'Cannot open box "a": it is being updated\nNext: Wait\n']);
    const shown = JSON.parse((await type("box open -o json")).out);
    assert.deepEqual(shown, {
      error: {
        code: "operation/busy",
        message: 'Cannot open box "a": it is being updated',
        hint: "Wait",
        details: { id: 7 },
      },
    });
  });
  it("hides a defect from the screen and tells the log", async () => {
    const { code, out, err, failures } = await type("box crash");
    assert.equal(code, 1);
    assert.equal((out + err).includes("hunter2"), false);
    assert.equal(failures.length, 1);
  });
  it("answers under its other names", async () => {
    const { err } = await type("pack x", { baseName: "alga" });
    assert.match(err, /alga-appliance extension/);
  });
});

describe("version", () => {
  it("answers without ports and settings, in every form", async () => {
    const context = () => Promise.reject(new Error("the ports were made"));
    assert.equal((await type("--version", { context })).out, "alga-appliance 1.2.3 (abc, linux-x64, bun 1)\n");
    assert.equal(JSON.parse((await type("version -o json", { context })).out).runtime, "bun 1");
    assert.match((await type("version -o yaml", { context })).out, /^version: 1\.2\.3$/m);
  });
});

describe("help", () => {
  it("has no line wider than 120 characters", () => {
    for (const line of [overviewHelp(nouns), commandHelp(greet)].join("").split("\n"))
      assert.ok(line.length <= 120, line);
  });
  it("completes every noun, verb and flag in three shells", async () => {
    const [completion] = completionCommands(nouns);
    for (const shell of ["bash", "zsh", "fish"]) {
      let script = "";
      const streams = {
        out: (text: string) => {
          script += text;
        },
        err: () => {},
      };
      const out = createOutput(streams, {
        format: "text",
        quiet: false,
        verbose: false,
        color: false,
        terminal: false,
        columns: 80,
      });
      await completion?.run({ args: [shell], out } as Partial<CommandContext> as CommandContext);
      for (const word of ["greet", "box", "open", "--tone"]) assert.ok(script.includes(word), `${shell}: ${word}`);
    }
  });
  it("finds the nearest word, or none", () => {
    assert.equal(nearest("stauts", ["status", "setup"]), "status");
    assert.equal(nearest("resol", ["resolve"]), "resolve");
    assert.equal(nearest("xyz", ["status"]), undefined);
  });
});

describe("settings", () => {
  const file = {
    path: "/etc/alga-appliance/config.yaml",
    text: "registry:\n  host: mirror.example\nchannel: nightly\n",
  };
  it("come from flag, environment, file and default, in this order", () => {
    const env = { ALGA_APPLIANCE_REGISTRY_HOST: "env.example" };
    const origins = (sources: Parameters<typeof resolveSettings>[0]) => {
      const one = resolveSettings(sources).all.find((setting) => setting.key === "registry.host");
      return [one?.value, one?.origin];
    };
    assert.deepEqual(origins({ flags: { registry: "flag.example" }, env, file }), ["flag.example", "--registry"]);
    assert.deepEqual(origins({ flags: {}, env, file }), ["env.example", "ALGA_APPLIANCE_REGISTRY_HOST"]);
    assert.deepEqual(origins({ flags: {}, env: {}, file }), ["mirror.example", file.path]);
    assert.deepEqual(origins({ flags: {}, env: {} }), ["ghcr.io", "default"]);
  });
  it("take the proxy of the machine where the appliance is told none of its own", () => {
    const proxied = { path: "/etc/config.yaml", text: "proxy: {https: 'http://file:1'}\n" };
    const originOf = (env: Record<string, string>, from?: typeof proxied) => {
      const sources = { flags: {}, env, ...(from === undefined ? {} : { file: from }) };
      const one = resolveSettings(sources).all.find((setting) => setting.key === "proxy.https");
      return [one?.value, one?.origin];
    };
    const ambient = { HTTPS_PROXY: "http://machine:1" };
    const own = { ...ambient, ALGA_APPLIANCE_HTTPS_PROXY: "http://own:1" };
    assert.deepEqual(originOf(own, proxied), ["http://own:1", "ALGA_APPLIANCE_HTTPS_PROXY"]);
    assert.deepEqual(originOf(ambient, proxied), ["http://file:1", proxied.path]);
    assert.deepEqual(originOf(ambient), ["http://machine:1", "HTTPS_PROXY"]);
    assert.deepEqual(originOf({ https_proxy: "http://small:1" }), ["http://small:1", "HTTPS_PROXY"]);
    assert.deepEqual(originOf({ HTTPS_PROXY: "" }), [undefined, "not set"]);
  });
  it("are refused with the file and the key that is wrong", () => {
    for (const text of ["registyr: {host: x}", "- a", "a: b: c", "registry: {host: [1]}"]) {
      assert.throws(() => resolveSettings({ flags: {}, env: {}, file: { path: "/x", text } }), {
        code: "config/invalid",
      });
    }
  });
  it("are passed over by what mends a box, with the reason: another form, key or value", () => {
    const env = { ALGA_APPLIANCE_NAME: "box-7" };
    const bad: readonly (readonly [text: string, reason: RegExp])[] = [
      ["a: b: c", /it is not YAML/],
      ["\u0000\u0000", /it is (?:not YAML|no map)/],
      ["- a", /no map of settings/],
      ["name: x\nregistyr: {host: x}\n", /there is no setting "registyr.host"/],
      ["registry: {host: [1]}", /"registry.host" is a list/],
      ["log: {level: loud}", /log.level is "loud", one of/],
      ["listen: {port: 80a}", /listen.port is "80a", a number/],
      ["listen: {tlsPort: 99999}", /listen.tlsPort is "99999"/],
    ];
    for (const [text, reason] of bad) {
      const { settings, problem } = settingsOrDefaults({ flags: {}, env, file: { path: "/x", text } });
      assert.deepEqual([settings.get("name"), settings.get("listen.port")], ["box-7", "8080"], text);
      assert.equal(problem?.code, "config/invalid");
      assert.match(problem?.message ?? "", reason);
    }
    const good = settingsOrDefaults({ flags: {}, env, file: { path: "/x", text: "listen: {tlsPort: none}\n" } });
    assert.deepEqual([good.settings.get("listen.tlsPort"), good.problem], ["none", undefined]);
  });
  it("are saved from a file of which only a part can be used, and from one that is no YAML not at all", () => {
    const text = "name: Box\nregistry: {host: mirror.example, hots: x}\nlisten: {port: 80a}\nchannel: [stable]\n";
    const { kept, lost } = salvageSettings({ path: "/x", text });
    assert.deepEqual(
      [...kept],
      [
        ["name", "Box"],
        ["registry.host", "mirror.example"],
      ],
    );
    assert.deepEqual(lost, ["registry.hots", "listen.port", "channel"]);
    assert.deepEqual(salvageSettings({ path: "/x", text: "name: Box\n a: b: c" }).kept.size, 0);
  });
  it("have unique keys and environment names", () => {
    assert.equal(new Set(SETTINGS.map((one) => one.key)).size, SETTINGS.length);
    assert.equal(new Set(SETTINGS.map((one) => one.env)).size, SETTINGS.length);
  });
});

describe("ports", () => {
  it("are numbers from 0 to 65535", () => {
    assert.deepEqual(
      ["0", "8080", "65535"].map((text) => parsePort(text)),
      [0, 8080, 65_535],
    );
    for (const text of ["", "65536", "-1", "80a", "1e3", "0x50", "999999"])
      assert.throws(() => parsePort(text), { code: "cli/usage" }, text);
    assert.deepEqual(
      [tlsPort("none", 0), tlsPort("0", 8080), tlsPort(undefined, 8080), tlsPort(undefined, 0)],
      [undefined, 0, 8443, undefined],
    );
    assert.throws(() => tlsPort("abc", 8080), { code: "cli/usage", hint: /--tls-port none/ });
  });
});

describe("doctor --settings", () => {
  it("shows no login that stands in an address", async () => {
    const { commands } = await import("./doctor-command.ts");
    const env = { HTTPS_PROXY: "http://robot:canary@proxy.test:3128", ALGA_APPLIANCE_REGISTRY_PASSWORD: "canary" };
    for (const format of ["text", "json"] as const) {
      const lines: string[] = [];
      const streams = { out: (text: string) => void lines.push(text), err: () => {} };
      const options = { format, quiet: false, verbose: true, color: false, terminal: false, columns: 80 };
      const out = createOutput(streams, options);
      const context: Partial<CommandContext> = {
        flags: { settings: true },
        settings: resolveSettings({ flags: {}, env }),
        out,
      };
      assert.equal(await commands[0]?.run(context as CommandContext), 0);
      const shown = lines.join("");
      assert.match(shown, /proxy\.test:3128/);
      assert.doesNotMatch(shown, /canary/);
    }
  });
});
