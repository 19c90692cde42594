/** The console's frames: golden ones, what they never show, and a code that a reader of QR codes reads from the drawn cells. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import jsQR from "jsqr";
import type { OperationView } from "../operation/model.ts";
import { type BannerFacts, type BannerShape, bannerLines, VGA } from "./banner.ts";

const GOLDEN = join(import.meta.dirname, "../../test/golden/console");
const TOKEN = "0421-7734-9012-5568-1203";
const ASCII: BannerShape = { columns: 80, rows: 25, charset: "ascii" };

const FACTS: BannerFacts = {
  name: "box-7f3a",
  version: "1.0.3",
  addresses: ["192.0.2.10", "2001:db8::10"],
  port: 8080,
  bootstrap: null,
  answers: true,
  claimed: false,
  token: TOKEN,
  status: null,
};

function run(
  state: OperationView["state"],
  at: number,
  problem: Partial<OperationView["problem"]> | null = null,
): OperationView {
  const titles = ["Put the host's files right", "Configure k3s", "Wait for Kubernetes", "Apply the control plane"];
  const steps = titles.map((title, index) => ({
    id: `s${index}`,
    title,
    state: index < at ? ("done" as const) : index === at ? ("running" as const) : ("pending" as const),
    detail: index === at ? "its node has not joined yet" : null,
    startedAt: null,
    endedAt: null,
  }));
  const rest = { code: "host/port-taken", retrySafe: true, fields: [], evidence: [], attempt: 1, nextAttemptAt: null };
  const told = problem === null ? null : { message: "", hint: null, ...rest, ...problem };
  return {
    id: "0001-bootstrap",
    kind: "bootstrap",
    state,
    step: `s${at}`,
    steps,
    problem: told,
  } as unknown as OperationView;
}

const PORT = {
  message: 'Cannot use port "8080": "apache2" (process 812) listens there, a free port is wanted',
  hint: "Stop it: systemctl disable --now <unit>; ss -Hltnp shows who listens",
};
const RUNNING = { message: "People can log in at https://psa.example.com", next: null, doing: null };
const INSTALLING = { message: "Installing 1.0.3", next: null, doing: "7 of 12: Install Flux" };

const FRAMES: Readonly<Record<string, readonly [BannerFacts, BannerShape]>> = {
  "first-boot": [{ ...FACTS, answers: false }, VGA],
  starting: [{ ...FACTS, answers: false, bootstrap: run("running", 2) }, VGA],
  blocked: [{ ...FACTS, answers: false, bootstrap: run("blocked", 1, PORT) }, VGA],
  unclaimed: [FACTS, VGA],
  "first-login": [{ ...FACTS, login: { user: "alga-admin", password: "bcdefghijknoprst" } }, VGA],
  "first-login-ascii": [{ ...FACTS, login: { user: "alga-admin", password: "bcdefghijknoprst" } }, ASCII],
  "unclaimed-ascii": [FACTS, ASCII],
  "unclaimed-tall-ascii": [FACTS, { columns: 132, rows: 50, charset: "ascii" }],
  "unclaimed-file": [
    { ...FACTS, token: null },
    { ...VGA, rows: 0 },
  ],
  "no-address": [{ ...FACTS, addresses: [] }, VGA],
  installing: [{ ...FACTS, claimed: true, token: null, status: INSTALLING }, VGA],
  running: [{ ...FACTS, claimed: true, token: null, status: RUNNING }, VGA],
};

describe("frames", () => {
  for (const [name, [facts, shape]] of Object.entries(FRAMES)) {
    it(`${name} looks as it did`, () => {
      const drawn = `${bannerLines(facts, shape).join("\n")}\n`;
      const path = join(GOLDEN, `${name}.txt`);
      if (process.env.ALGA_GOLDEN === "write") writeFileSync(path, drawn);
      assert.equal(drawn, readFileSync(path, "utf8"));
    });
  }
});

/** Draws lines as a VGA console does, each character 8 by 16 dots, and reads what a camera would see. */
function readCode(lines: readonly string[]): string | undefined {
  const columns = Math.max(...lines.map((line) => line.length));
  const [width, height] = [columns * 8, lines.length * 16];
  const dots = new Uint8ClampedArray(width * height * 4);
  const lit = (character: string, half: "top" | "bottom"): boolean =>
    character === "\u2588" || character === "#" || character === (half === "top" ? "\u2580" : "\u2584");
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const character = lines[Math.floor(y / 16)]?.[Math.floor(x / 8)] ?? " ";
      const value = lit(character, y % 16 < 8 ? "top" : "bottom") ? 255 : 0;
      dots.set([value, value, value, 255], (y * width + x) * 4);
    }
  }
  return jsQR(dots, width, height, { inversionAttempts: "dontInvert" })?.data;
}

describe("the code", () => {
  for (const [name, shape] of [
    ["on a VGA console", VGA],
    ["in ASCII on a tall one", { columns: 132, rows: 50, charset: "ascii" }],
  ] as const) {
    it(`${name} leads a phone to the setup page`, () => {
      assert.equal(readCode(bannerLines(FACTS, shape)), `http://192.0.2.10:8080/setup?token=${TOKEN}`);
    });
  }
  it("is left away where it does not fit: the address and the token stay", () => {
    const text = bannerLines(FACTS, { columns: 60, rows: 20, charset: "utf8" }).join("\n");
    assert.ok(!/[\u2580-\u2588]/.test(text) && text.includes(TOKEN) && text.includes("http://192.0.2.10:8080"));
  });
  for (const address of ["10.0.0.1", "192.168.178.255", "2001:db8:1234:5678:9abc:def0:1234:5678"]) {
    it(`fits and is read for ${address}`, () => {
      const lines = bannerLines({ ...FACTS, addresses: [address] }, { ...VGA, columns: 100 });
      const host = address.includes(":") ? `[${address}]` : address;
      assert.equal(readCode(lines), `http://${host}:8080/setup?token=${TOKEN}`);
    });
  }
});

describe("what a banner never shows", () => {
  it("the token of a claimed box, or where the reader may be anywhere", () => {
    for (const facts of [
      { ...FACTS, claimed: true },
      { ...FACTS, token: null },
    ]) {
      assert.ok(!bannerLines(facts).join("\n").includes(TOKEN));
    }
  });
  it("anything that a terminal obeys, or more than the console holds, whatever others wrote", () => {
    const shape = fc.record({
      columns: fc.integer({ min: 40, max: 200 }),
      rows: fc.integer({ min: 5, max: 80 }),
      charset: fc.constantFrom<"utf8" | "ascii">("utf8", "ascii"),
    });
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 400 }),
        fc.string({ maxLength: 80 }),
        shape,
        (text, name, given) => {
          const facts = {
            ...FACTS,
            name,
            claimed: true,
            status: { message: text, next: `\u001b]0;x\u0007${text}`, doing: null },
          };
          const blocked = { ...FACTS, answers: false, bootstrap: run("blocked", 1, { message: text, hint: text }) };
          for (const lines of [bannerLines(facts, given), bannerLines(blocked, given)]) {
            assert.ok(lines.length < given.rows);
            for (const line of lines) {
              assert.ok(line.length <= given.columns, `${line.length} of ${given.columns}`);
              assert.doesNotMatch(line, given.charset === "ascii" ? /[^\x20-\x7e]/ : /\p{Cc}/u);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
