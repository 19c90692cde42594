/** The text wizard as a dialogue: what it asks, what it never shows or keeps, and that it comes back to where it was. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { ApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { Secret } from "../core/secret.ts";
import type { OperationView } from "../operation/model.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import type { AnswerDocument, WizardClient, WizardConfig, WizardPlan } from "./console-client.ts";
import { commands } from "./console-command.ts";
import { createDialogue } from "./console-dialogue.ts";
import { openWizardDraft } from "./console-draft.ts";
import { WIZARD_QUESTIONS } from "./console-questions.ts";
import { runWizard } from "./console-wizard.ts";
import { answersSchema } from "./model.ts";
import { validateAnswers } from "./validate.ts";

const PATHS = statePaths("/");
const DRAFT = `${PATHS.host}/console/setup-draft.json`;
const [BOX_PASSWORD, ADMIN_PASSWORD] = ["Korrekt-Pferd-7", "Batterie-Heft-8"];
const TOKEN = "0421-7734-9012-5568-1203";
const HOSTILE = "\u001b[2J\u202Eevil\u0007";

type Turn = readonly [RegExp, string];

const CLAIM: readonly Turn[] = [
  [/^Management password$/, BOX_PASSWORD],
  [/^Management password, again$/, BOX_PASSWORD],
];
const TENANT: readonly Turn[] = [
  [/^Name of the organisation/, "Example Ltd"],
  [/^First name/, "Ada"],
  [/^Last name/, "Lovelace"],
  [/^Email/, "ada@example.com"],
  [/^Password of the administrator$/, ADMIN_PASSWORD],
  [/^Password of the administrator, again$/, ADMIN_PASSWORD],
  [/^Edition/, "ce"],
];
const ANSWERS: readonly Turn[] = [
  [/^Channel/, ""],
  [/^A certain version/, ""],
  [/^Address people will open \[http:\/\/192\.0\.2\.10:3000\]$/, "https://psa.example.com"],
  [/^Name servers/, ""],
  ...TENANT,
];

const PLAN: WizardPlan = {
  digest: `sha256:${"a".repeat(64)}`,
  release: { version: "1.0.3", digest: `sha256:${"b".repeat(64)}`, channel: "stable", verifiedBy: "none" },
  steps: Array.from({ length: 12 }, (_one, at) => ({ title: `Step ${at + 1}`, about: `What it does. ${HOSTILE}` })),
  downloads: [{ name: "chart", sizeBytes: 2_000_000 }],
  totalBytes: 2_000_000,
  changes: Array.from({ length: 30 }, (_one, at) => ({
    kind: "ConfigMap",
    namespace: "msp",
    name: `c${at}`,
    action: "create" as const,
  })),
  expectedMs: 600_000,
  warnings: ["This is a small machine"],
};

function view(state: OperationView["state"], change: Partial<OperationView> = {}): OperationView {
  const step = {
    id: "flux",
    title: "Install Flux",
    state: "running",
    detail: "3 of 4 ready",
    startedAt: null,
    endedAt: null,
  } as const;
  return {
    ...{
      id: "0001-setup",
      kind: "setup",
      state,
      step: "flux",
      steps: [step],
      startedAt: "2026-11-21T00:00:00Z",
      endedAt: null,
    },
    ...{ progress: { done: 0, total: 1, unit: "steps" }, problem: null },
    ...change,
  };
}

const BLOCKED = view("blocked", {
  steps: [{ id: "flux", title: "Install Flux", state: "failed", detail: null, startedAt: null, endedAt: null }],
  problem: {
    ...{
      code: "net/dns",
      message: 'Cannot resolve "registry.example"',
      hint: "Correct the name servers",
      retrySafe: true,
    },
    ...{
      attempt: 3,
      nextAttemptAt: null,
      fields: ["dnsMode", "dnsServers"],
      evidence: [{ ref: "192.0.2.53", text: HOSTILE }],
    },
  },
});

const CONFIG: WizardConfig = {
  mode: "setup",
  defaults: { channel: "stable", dnsMode: "system" },
  secretsKept: [],
  network: { addresses: ["192.0.2.10"], resolvers: ["192.0.2.53"] },
  channels: [{ name: "stable", version: "1.0.3", verifiedBy: "none" }],
  channelsProblem: null,
  operation: null,
};

interface Given {
  readonly claimed?: boolean;
  readonly token?: string;
  readonly config?: Partial<WizardConfig>;
  readonly client?: Partial<WizardClient>;
  /** Views of the run, one for each look; the last stays. */
  readonly views?: readonly OperationView[];
  readonly files?: ReturnType<typeof createMemoryFiles>;
  readonly charset?: "utf8" | "ascii";
}

/** A box with a person before it, who answers by a script: every question must be the next of it. */
function scene(given: Given = {}) {
  const files = given.files ?? createMemoryFiles();
  const lines: string[] = [];
  const calls: (readonly [string, unknown])[] = [];
  const views = [...(given.views ?? [view("running"), view("done")])];
  let nowMs = 0;
  const client: WizardClient = {
    session: async () => ({
      claimed: given.claimed ?? false,
      authenticated: false,
      passwordPolicy: { rules: ["Use 8 characters."] },
    }),
    logIn: async (password) => void calls.push(["logIn", password.reveal()]),
    claim: async (token, password) => void calls.push(["claim", [token.reveal(), password.reveal()]]),
    config: async () => ({ ...CONFIG, ...given.config }),
    nameServers: async () => ({ servers: [], application: null }),
    plan: async (answers) => {
      calls.push(["plan", answers]);
      validateAnswers(answers, { passwordOptional: true });
      return PLAN;
    },
    start: async (answers) => {
      calls.push(["start", answers]);
      return views[0] ?? view("done");
    },
    operation: async () => (views.length > 1 ? views.shift() : views[0]) ?? view("done"),
    resume: async (id) => {
      calls.push(["resume", id]);
      return view("running");
    },
    ...given.client,
  };
  const run = async (script: readonly Turn[]) => {
    const left = [...script];
    const answer = async (question: string): Promise<string> => {
      lines.push(question);
      const [wanted, text] = left.shift() ?? [/^$/, ""];
      assert.match(question, wanted, lines.slice(-8).join("\n"));
      if (text === "^C") throw new ApplianceError("internal/aborted", "Cannot go on: the question was cancelled");
      return text;
    };
    const dialogue = createDialogue({
      ...{ askLine: answer, askHidden: answer, charset: given.charset ?? "ascii", columns: 80, rows: 25 },
      write: (line) => void lines.push(line),
    });
    const clock = {
      monotonic: () => nowMs,
      sleep: async (ms: number) => {
        nowMs += ms;
      },
    };
    const signal = new AbortController().signal;
    const token = async (): Promise<Secret | undefined> =>
      given.token === undefined ? undefined : new Secret(given.token);
    const ended = await runWizard({ dialogue, client, draft: openWizardDraft(files, PATHS), clock, signal, token });
    assert.deepEqual(left, [], "not all was asked");
    return ended;
  };
  const sent = (name: string) => calls.filter(([called]) => called === name).map(([, value]) => value);
  return { run, lines, sent, files, said: () => lines.join("\n") };
}

describe("a box that nobody has claimed", () => {
  it("is claimed, asked, planned, agreed and followed to its end, on a dumb screen of 80 columns in ASCII", async () => {
    const { run, lines, sent, said, files } = scene({ token: TOKEN });
    assert.equal(await run([...CLAIM, ...ANSWERS, [/^Begin\?/, "yes"]]), "done");
    assert.deepEqual(sent("claim"), [[TOKEN, BOX_PASSWORD]]);
    const [started] = sent("start") as readonly AnswerDocument[];
    assert.deepEqual(started, {
      ...{ channel: "stable", dnsMode: "system", appHostname: "https://psa.example.com", tenantName: "Example Ltd" },
      ...{ adminFirstName: "Ada", adminLastName: "Lovelace", adminEmail: "ada@example.com", editionChoice: "ce" },
      ...{ adminPassword: ADMIN_PASSWORD, adminPasswordConfirm: ADMIN_PASSWORD, planDigest: PLAN.digest },
    });
    assert.match(said(), /Release 1\.0\.3 of channel stable/);
    assert.match(said(), /Warning: This is a small machine/);
    assert.match(said(), /Done\. People can log in/);
    for (const secret of [BOX_PASSWORD, ADMIN_PASSWORD, TOKEN]) assert.ok(!said().includes(secret));
    for (const line of lines) assert.ok(line.length <= 80 && /^[\x20-\x7e]*$/.test(line), JSON.stringify(line));
    assert.equal(await files.stat(DRAFT), undefined, "what was sent is kept by the control plane");
  });
  it("takes the token from the person where this user may not read it, and says what is wrong with it", async () => {
    let tries = 0;
    const claim = async (): Promise<void> => {
      tries += 1;
      if (tries === 1) throw new ApplianceError("session/wrong-token", "Cannot accept the setup token: it is another");
    };
    const { run, said } = scene({ client: { claim } });
    await assert.rejects(run([...CLAIM, [/^Setup token$/, "1"], [/^Setup token$/, TOKEN], [/^Channel/, "^C"]]), {
      code: "internal/aborted",
    });
    assert.match(said(), /it is another/);
  });
  it("wants its password good and typed twice alike", async () => {
    const { run, said } = scene({ token: TOKEN });
    const script: readonly Turn[] = [
      [/^Management password$/, "short"],
      [/^Management password$/, BOX_PASSWORD],
      [/^Management password, again$/, "Other-Word-1"],
      ...CLAIM,
      [/^Channel/, "^C"],
    ];
    await assert.rejects(run(script), { code: "internal/aborted" });
    assert.match(said(), /Use at least 8 characters/);
    assert.match(said(), /The two differ/);
  });
});

describe("questions", () => {
  it("say at once what is wrong, tell more, go back, and follow from answers", async () => {
    const { run, said, sent } = scene({ claimed: true });
    await run([
      [/^Management password$/, BOX_PASSWORD],
      [/^Channel to follow \(stable\) \[stable\]$/, "no such name!"],
      [/^Channel/, "?"],
      [/^Channel/, ""],
      [/^A certain version/, "1.0.3"],
      [/^Address people/, "https://"],
      [/^Address people/, "<"],
      [/^A certain version or digest \[1\.0\.3\]$/, "-"],
      [/^Address people/, "https://psa.example.com"],
      [/^Name servers \(system, custom\) \[system\]$/, "other"],
      [/^Name servers/, "custom"],
      [/^Addresses of the name servers \[192\.0\.2\.53\]$/, "192.0.2"],
      [/^Addresses of the name servers/, "192.0.2.53, 192.0.2.54"],
      ...TENANT.slice(0, -1),
      [/^Edition/, "ee"],
      [/^Install code$/, "K7QPM2RX"],
      [/^Begin\?/, "no"],
    ]);
    assert.deepEqual(sent("logIn"), [BOX_PASSWORD]);
    const [asked] = sent("plan") as readonly AnswerDocument[];
    assert.deepEqual(
      [asked?.dnsServers, asked?.releaseRef, asked?.installCode],
      ["192.0.2.53, 192.0.2.54", undefined, "K7QPM2RX"],
    );
    for (const told of [
      /Choose system or custom\./,
      /"192\.0\.2" is none/,
      /The box installs what this channel names/,
      /Install code: given, hidden/,
    ]) {
      assert.match(said(), told);
    }
    assert.ok(!said().includes("K7QPM2RX"));
    assert.deepEqual(sent("start"), []);
  });
  it("tell what name servers say, and go on", async () => {
    const application = {
      name: "psa.example.con",
      state: "no-such-name",
      addresses: [],
      leadsHere: false,
      suggestion: "psa.example.com",
    };
    const servers = [{ address: "192.0.2.53", state: "no-answer", text: `silent ${HOSTILE}` }];
    const { run, said } = scene({ token: TOKEN, client: { nameServers: async () => ({ servers, application }) } });
    await run([...CLAIM, ...ANSWERS, [/^Begin\?/, "no"]]);
    assert.match(said(), /Note: no name server knows psa\.example\.con; did you mean psa\.example\.com\?/);
    assert.match(said(), /Note: name server 192\.0\.2\.53: silent/);
  });
  it("begin with what was typed before Ctrl-C, which keeps no secret", async () => {
    const files = createMemoryFiles();
    const first = scene({ token: TOKEN, files });
    await assert.rejects(first.run([...CLAIM, ...ANSWERS.slice(0, -1), [/^Edition/, "^C"]]), {
      code: "internal/aborted",
    });
    const kept = files.snapshot().get(DRAFT) ?? "";
    assert.match(kept, /psa\.example\.com/);
    assert.ok(!kept.includes(ADMIN_PASSWORD) && !kept.includes(BOX_PASSWORD));
    assert.equal((await files.stat(DRAFT))?.mode, 0o600);
    const second = scene({ claimed: true, files });
    await second.run([
      [/^Management password$/, BOX_PASSWORD],
      [/^Channel/, ""],
      [/^A certain version/, ""],
      [/^Address people will open \[https:\/\/psa\.example\.com\]$/, ""],
      [/^Name servers/, ""],
      [/^Name of the organisation \[Example Ltd\]$/, ""],
      [/^First name of the administrator \[Ada\]$/, ""],
      [/^Last name of the administrator \[Lovelace\]$/, ""],
      [/^Email address of the administrator \[ada@example\.com\]$/, ""],
      [/^Password of the administrator$/, ADMIN_PASSWORD],
      [/^Password of the administrator, again$/, ADMIN_PASSWORD],
      [/^Edition/, "ce"],
      [/^Begin\?/, "yes"],
    ]);
    assert.equal(second.sent("start").length, 1);
  });
  it("survive a draft that is damaged, or that cannot be written", async () => {
    const files = createMemoryFiles();
    files.garble(DRAFT, '{"schema":"alga.appliance.console-draft/v1","answers":{"adminPassword":"x","tenantName":3}}');
    const write: typeof files.write = async () => {
      throw new ApplianceError("file/unwritable", "Cannot write: read-only");
    };
    const { run, said } = scene({ token: TOKEN, files: { ...files, write } });
    assert.equal(await run([...CLAIM, ...ANSWERS, [/^Begin\?/, "yes"]]), "done");
    assert.match(said(), /only root can/);
  });
});

describe("the plan", () => {
  it("is one screen, with everything behind it a screen at a time", async () => {
    const { run, lines } = scene({ token: TOKEN });
    await run([
      ...CLAIM,
      ...ANSWERS,
      [/^Begin\?/, "details"],
      [/more lines/, ""],
      [/more lines/, "q"],
      [/^Begin\?/, "no"],
    ]);
    const from = lines.indexOf("Your answers");
    const consent = lines.findIndex((line) => line.startsWith("Begin?"));
    assert.ok(consent - from < 24, `${consent - from} lines`);
    const stops = lines.flatMap((line, at) => (line.includes("more lines") ? [at] : []));
    assert.ok(stops.every((at, index) => at - (stops[index - 1] ?? consent) <= 24));
    assert.ok(
      lines.every((line) => !line.includes("\u001b") && !line.includes("\u202E")),
      "text of others moves the cursor",
    );
  });
  it("is made again when an answer is changed, when the release has changed, and when the registry comes back", async () => {
    let plans = 0;
    let starts = 0;
    const { run, said } = scene({
      token: TOKEN,
      client: {
        plan: async () => {
          plans += 1;
          if (plans === 1)
            throw new ApplianceError("net/unreachable", "Cannot reach registry: refused", { hint: "Check the cable" });
          return PLAN;
        },
        start: async () => {
          starts += 1;
          if (starts === 1)
            throw new ApplianceError("setup/release-changed", "Cannot start this plan: it is 1.0.4 now");
          return view("done");
        },
      },
    });
    const script: readonly Turn[] = [
      ...[...CLAIM, ...ANSWERS],
      [/^Ask again\?/, "yes"],
      [/^Begin\?/, "3"],
      [/^Address people/, "https://other.example.com"],
      [/^Begin\?/, "yes"],
      [/^Begin\?/, "yes"],
    ];
    assert.equal(await run(script), "done");
    assert.deepEqual([plans, starts], [4, 2]);
    assert.match(said(), /Next: Check the cable/);
    assert.match(said(), /it is 1\.0\.4 now/);
  });
  it("decides on expired metadata of the publisher, as the page does, where the box found it expired", async () => {
    const channelsProblem = {
      code: "trust/expired",
      message: "What the publisher signed has expired",
      hint: "Wait for fresh",
    };
    const { run, sent, said } = scene({ token: TOKEN, config: { channels: [], channelsProblem } });
    const [channel, version, ...rest] = ANSWERS;
    const decision: readonly Turn[] = [
      [/^Take the publisher's expired word until$/, "?"],
      [/^Take the publisher's/, "tomorrow or so"],
      [/^Take the publisher's/, "2026-12-31"],
    ];
    const script = [channel, version, ...decision, ...rest].filter((turn) => turn !== undefined);
    assert.equal(await run([...CLAIM, ...script, [/^Begin\?/, "yes"]]), "done");
    assert.match(said(), /What the publisher signed has expired\nNext: Wait for fresh/);
    assert.match(said(), /may be old, or\s+somebody holds newer releases back/);
    assert.match(said(), /Write an instant such as/);
    assert.equal((sent("start")[0] as AnswerDocument).acceptExpired, "2026-12-31");
  });
  it("asks what every field of the answers is, but for the repeated password", () => {
    const asked = WIZARD_QUESTIONS.map(({ field }) => String(field)).sort();
    assert.deepEqual(
      asked,
      Object.keys(answersSchema.shape)
        .filter((field) => field !== "adminPasswordConfirm")
        .sort(),
    );
  });
  it("asks anew what the control plane refuses", async () => {
    let refused = false;
    const start = async (): Promise<OperationView> => {
      if (refused) return view("done");
      refused = true;
      const errors = [{ field: "adminPasswordConfirm", code: "different", detail: "Type the same password again." }];
      throw new ApplianceError("setup/invalid-answers", "Cannot use the answers", { details: { errors } });
    };
    const { run, said } = scene({ token: TOKEN, client: { start } });
    const password = ANSWERS.filter(([question]) => String(question).includes("Password of"));
    assert.equal(await run([...CLAIM, ...ANSWERS, [/^Begin\?/, "yes"], ...password, [/^Begin\?/, "yes"]]), "done");
    assert.match(said(), /Type the same password again/);
  });
});

describe("a setup that was begun", () => {
  const logIn: readonly Turn[] = [[/^Management password$/, BOX_PASSWORD]];

  it("is followed, also while the control plane starts anew", async () => {
    let looks = 0;
    const operation = async (): Promise<OperationView> => {
      looks += 1;
      if (looks > 1 && looks < 5) throw new ApplianceError("net/unreachable", "Cannot reach it: refused");
      return looks < 6 ? view("running") : view("done");
    };
    const { run, lines } = scene({ claimed: true, config: { operation: view("running") }, client: { operation } });
    assert.equal(await run(logIn), "done");
    assert.equal(lines.filter((line) => line.includes("does not answer now")).length, 1);
    assert.equal(lines.filter((line) => line === "1/1 Install Flux: 3 of 4 ready").length, 1, "news are told once");
  });
  it("asks for the password again when its session has ended meanwhile", async () => {
    let looks = 0;
    const operation = async (): Promise<OperationView> => {
      looks += 1;
      if (looks === 2) throw new ApplianceError("session/required", "Cannot answer without a session");
      return looks < 4 ? view("running") : view("done");
    };
    const { run, sent } = scene({ claimed: true, config: { operation: view("running") }, client: { operation } });
    assert.equal(await run([...logIn, ...logIn]), "done");
    assert.deepEqual(sent("logIn"), [BOX_PASSWORD, BOX_PASSWORD]);
  });
  it("gives up on a control plane that stays away", async () => {
    const operation = (): Promise<OperationView> =>
      Promise.reject(new ApplianceError("net/unreachable", "Cannot reach it: refused"));
    const { run } = scene({ claimed: true, config: { operation: view("running") }, client: { operation } });
    await assert.rejects(run(logIn), { code: "net/unreachable" });
  });
  it("that is blocked says why, and goes on with other answers, again, or later", async () => {
    const given = { claimed: true, config: { operation: BLOCKED } };
    const other = scene(given);
    const script: readonly Turn[] = [
      ...logIn,
      [/^What now\? retry, correct the answers, or leave$/, "?"],
      [/^What now/, "correct"],
      [/^Name servers/, "custom"],
      [/^Addresses/, "192.0.2.99"],
    ];
    assert.equal(await other.run(script), "done");
    assert.match(other.said(), /Cannot resolve "registry\.example"/);
    assert.match(other.said(), /Next: Correct the name servers/);
    assert.deepEqual(other.sent("start"), [{ channel: "stable", dnsMode: "custom", dnsServers: "192.0.2.99" }]);
    const again = scene(given);
    assert.equal(await again.run([...logIn, [/^What now/, "retry"]]), "done");
    assert.deepEqual(again.sent("resume"), ["0001-setup"]);
    const later = scene(given);
    assert.equal(await later.run([...logIn, [/^What now/, "leave"]]), "left");
    assert.match(later.said(), /console setup comes back to this/);
  });
  it("that is done is told", async () => {
    const { run, said } = scene({
      claimed: true,
      config: { mode: "status", defaults: { appHostname: "https://psa.example.com" } },
    });
    assert.equal(await run(logIn), "done");
    assert.match(said(), /is set up: https:\/\/psa\.example\.com/);
  });
  it("waits for a control plane that is there: before, it says who tells what hinders it", async () => {
    const session = (): Promise<never> =>
      Promise.reject(new ApplianceError("net/unreachable", "Cannot reach it: refused"));
    const { run } = scene({ client: { session } });
    await assert.rejects(run([]), { code: "net/unreachable", hint: /alga-appliance-bootstrap/ });
  });
  it("is nobody's who does not know the password", async () => {
    const logIn = async (): Promise<void> => {
      throw new ApplianceError("session/wrong-password", "Cannot log in: the password is wrong");
    };
    const { run } = scene({ claimed: true, client: { logIn } });
    const wrong: Turn = [/^Management password$/, "guess"];
    await assert.rejects(run([wrong, wrong, wrong]), { code: "session/wrong-password" });
  });
});

describe("console setup", () => {
  it("wants a terminal, and names the way without one", async () => {
    const [command] = commands;
    const { context } = commandContext({ deps: {} });
    await assert.rejects(async () => command?.run(context), { code: "cli/usage", hint: /setup run --answers/ });
  });
});
