/** The console's frames: golden ones, what they never show, and a code that a reader of QR codes reads from the drawn cells. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
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
  kind: OperationView["kind"] = "bootstrap",
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
    kind,
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
const SECURE = { port: 8443, short: "7A:1F:03:9C:D2:44:B8:E0:51:6A" };
const LOGIN = { user: "alga-admin", password: "bcdefghijknoprst" };
const OWNED: BannerFacts = { ...FACTS, secure: SECURE, claimed: true, token: null, status: RUNNING };
const MANY = [
  ...["192.0.2.10", "198.51.100.129", "203.0.113.254", "10.20.30.40", "172.16.250.250", "192.168.178.255"],
  ...[
    "2001:db8::10",
    "2001:db8:1234:5678:9abc:def0:1234:5678",
    "fd00:1234:5678:9abc:def0:1234:5678:9abc",
    "2001:db8:1::1",
  ],
];
const CLAIMED = "Claimed 2026-11-21 09:14 UTC from 192.0.2.99";

/** Every situation of a box, on a console that reads UTF-8 and on one that does not. */
const SITUATIONS: Readonly<Record<string, BannerFacts>> = {
  "first-boot": { ...FACTS, answers: false },
  starting: { ...FACTS, answers: false, bootstrap: run("running", 2) },
  "start-waits": { ...FACTS, answers: false, bootstrap: run("waiting", 1, PORT) },
  blocked: { ...FACTS, answers: false, bootstrap: run("blocked", 1, PORT) },
  "first-login-starting": { ...FACTS, answers: false, bootstrap: run("running", 2), login: LOGIN },
  unclaimed: { ...FACTS, secure: SECURE },
  "unclaimed-plain": FACTS,
  "first-login": { ...FACTS, secure: SECURE, login: LOGIN },
  "no-address": { ...FACTS, addresses: [] },
  "ipv6-only": { ...FACTS, secure: SECURE, login: LOGIN, addresses: ["2001:db8:1234:5678:9abc:def0:1234:5678"] },
  "many-addresses": { ...FACTS, secure: SECURE, login: LOGIN, addresses: MANY },
  "many-addresses-running": { ...OWNED, addresses: MANY, news: [CLAIMED] },
  "long-names": {
    ...OWNED,
    name: "the-appliance-of-the-branch-office-in-llanfairpwllgwyngyll-and-its-workshop",
    version: "1.0.3-rc.12+build.20261121.f28b253",
    status: {
      message:
        "The image registry.of.the.house.example:5443/nine-minds/alga-psa-ee@sha256:7f3a9c21d0e4 cannot be pulled: the registry does not answer",
      next: "Check the way to the registry: cable, firewall, proxy, name servers. Flux tries again by itself",
      doing: "7 of 12: Install Flux",
    },
    news: [CLAIMED],
  },
  recovering: { ...OWNED, answers: false, bootstrap: run("running", 1, null, "recover") },
  "recover-stopped": { ...OWNED, answers: false, bootstrap: run("blocked", 1, PORT, "recover") },
  "recovering-served": { ...OWNED, bootstrap: run("running", 1, null, "recover"), news: [CLAIMED] },
  resetting: { ...OWNED, answers: false, bootstrap: run("running", 3, null, "reset") },
  "reset-waits": { ...OWNED, answers: false, bootstrap: run("waiting", 1, PORT, "reset") },
  "agent-silent": { ...OWNED, agent: false, news: [CLAIMED] },
  claimed: { ...OWNED, status: null, news: [CLAIMED] },
  installing: { ...OWNED, status: INSTALLING, news: [CLAIMED] },
  "setup-blocked": {
    ...OWNED,
    status: {
      message: "The registry cannot be reached",
      next: "Check the cable of the box",
      doing: "Stopped at 1 of 12: Check the machine and the network",
    },
    news: [CLAIMED],
  },
  running: {
    ...OWNED,
    status: { ...RUNNING, release: "Release 1.0.3 (stable), verified by key 981efc1033d1" },
    news: [CLAIMED],
  },
  "start-incomplete": { ...OWNED, bootstrap: run("blocked", 1, PORT), news: [CLAIMED] },
  "second-claim": {
    ...OWNED,
    news: [
      "Refused: somebody tried to claim this box again 3 times, last 2026-11-21 10:02 UTC from 198.51.100.7",
      CLAIMED,
    ],
  },
  "update-offered": { ...OWNED, news: ["An update is offered: 1.0.4", CLAIMED] },
  updating: {
    ...OWNED,
    status: { message: "Updating from 1.0.3 to 1.0.4", next: null, doing: "5 of 11: Fetch the images" },
    news: [CLAIMED],
  },
  "update-paused": {
    ...OWNED,
    status: {
      message: "The update to 1.0.4 is paused",
      next: "Resume it on the page",
      doing: "Paused at 6 of 11: Switch to the release",
    },
    news: [CLAIMED],
  },
  "update-went-back": {
    ...OWNED,
    news: ["The update to 1.0.4 went back to 1.0.3: the login page did not answer", CLAIMED],
  },
};

const FRAMES: Readonly<Record<string, readonly [BannerFacts, BannerShape]>> = {
  ...Object.fromEntries(
    Object.entries(SITUATIONS).flatMap(([name, facts]) => [
      [name, [facts, VGA]],
      [`${name}-ascii`, [facts, ASCII]],
    ]),
  ),
  "unclaimed-tall-ascii": [SITUATIONS.unclaimed ?? FACTS, { columns: 132, rows: 50, charset: "ascii" }],
  "unclaimed-file": [
    { ...FACTS, secure: SECURE, token: null },
    { ...VGA, rows: 0 },
  ],
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
  it("are all that are kept, and each fits its console", () => {
    assert.deepEqual(
      readdirSync(GOLDEN).sort(),
      Object.keys(FRAMES)
        .map((name) => `${name}.txt`)
        .sort(),
    );
    for (const [name, facts] of Object.entries(SITUATIONS)) {
      for (const shape of [VGA, ASCII]) {
        const lines = bannerLines(facts, shape);
        assert.ok(lines.length <= 24 && lines.every((line) => line.length <= 80), name);
        assert.ok(lines.join("\n").includes("Log in on"), `${name}: how to log in is cut off`);
      }
    }
  });
});

/** The upper right of a sign of a VGA font: eight rows of eight dots, of which a lattice lights some. */
const LATTICE = [0x00, 0x6c, 0x6c, 0xfe, 0x6c, 0xfe, 0x6c, 0x6c];

/** Whether a dot of a cell of 8 by 16 is lit. `reversed`: the terminal draws blanks bright. */
function isLit(character: string, at: { readonly x: number; readonly y: number; readonly reversed: boolean }): boolean {
  if (character === " ") return at.reversed;
  if (character === "\u2588") return true;
  if (character === "\u2580") return at.y < 8;
  if (character === "\u2584") return at.y >= 8;
  return (((LATTICE[(at.y >> 1) % 8] ?? 0) >> (7 - at.x)) & 1) === 1;
}

interface Cell {
  readonly character: string;
  readonly reversed: boolean;
}

/** What a terminal shows of a line: its cells, reversed or not. */
function cellsOf(line: string): readonly Cell[] {
  let reversed = false;
  return line.split(/(\u001b\[(?:7|27)m)/).flatMap((part) => {
    if (part.startsWith("\u001b")) {
      reversed = part.endsWith("[7m");
      return [];
    }
    return [...part].map((character) => ({ character, reversed }));
  });
}

interface Picture {
  readonly dots: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** The screen of a VGA console as a picture, with a dark border as a monitor has. */
function screenshot(lines: readonly string[], { columns, rows }: BannerShape): Picture {
  const cells = lines.map(cellsOf);
  const [width, height] = [columns * 8, rows * 16];
  const dots = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const cell = cells[y >> 4]?.[x >> 3] ?? { character: " ", reversed: false };
      const value = isLit(cell.character, { x: x & 7, y: y & 15, reversed: cell.reversed }) ? 170 : 0;
      dots.set([value, value, value, 255], (y * width + x) * 4);
    }
  }
  return { dots, width, height };
}

/** What a camera makes of it: smaller, every dot the mean of those around it, in uneven light and with noise. */
function photograph(
  { dots, width, height }: Picture,
  { scale, blur }: { readonly scale: number; readonly blur: number },
): Picture {
  const [wide, high] = [Math.floor(width * scale), Math.floor(height * scale)];
  const seen = new Uint8ClampedArray(wide * high * 4);
  const at = (x: number, y: number): number =>
    dots[(Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))) * 4] ?? 0;
  for (let y = 0; y < high; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      const [cx, cy] = [Math.floor(x / scale), Math.floor(y / scale)];
      let sum = 0;
      for (let dy = -blur; dy <= blur; dy += 1) for (let dx = -blur; dx <= blur; dx += 1) sum += at(cx + dx, cy + dy);
      const value = (sum / (2 * blur + 1) ** 2) * (0.75 + (0.25 * x) / wide) + 20 + ((x * 7 + y * 13) % 11);
      seen.set([value, value, value, 255], (y * wide + x) * 4);
    }
  }
  return { dots: seen, width: wide, height: high };
}

/** So far away that a module of the code is seen with six dots, as a phone sees a screen. */
const faraway = (charset: BannerShape["charset"]) => ({ scale: charset === "utf8" ? 0.75 : 0.375, blur: 2 });

function readCode({ dots, width, height }: Picture): string | undefined {
  return jsQR(dots, width, height, { inversionAttempts: "dontInvert" })?.data;
}

const SOLID: BannerShape = { ...ASCII, reverses: true };
const TALL: BannerShape = { columns: 132, rows: 50, charset: "ascii", reverses: true };
const LINK = `https://192.0.2.10:8443/setup?token=${TOKEN.replaceAll("-", "")}#sha256=${SECURE.short.replaceAll(":", "")}`;

describe("the code", () => {
  const unclaimed: BannerFacts = { ...FACTS, secure: SECURE };
  const cases: readonly (readonly [string, BannerFacts, BannerShape, string])[] = [
    ["on a VGA console with UTF-8, over TLS", unclaimed, VGA, LINK],
    ["beside the first login", { ...unclaimed, login: LOGIN }, VGA, LINK],
    ["before there is a certificate", FACTS, VGA, `http://192.0.2.10:8080/setup?token=${TOKEN}`],
    ["in ASCII on a tall console", unclaimed, TALL, LINK],
    ["in ASCII on a VGA console, where only the address fits", unclaimed, SOLID, "HTTPS://192.0.2.10:8443"],
    ["in ASCII and plain", FACTS, SOLID, "HTTP://192.0.2.10:8080"],
  ];
  for (const [name, facts, shape, wanted] of cases) {
    it(`${name} is read from a screenshot, and from a photograph of the screen`, () => {
      const picture = screenshot(bannerLines(facts, shape), shape);
      assert.equal(readCode(picture), wanted);
      assert.equal(readCode(photograph(picture, faraway(shape.charset))), wanted);
    });
  }
  it("is read from plain ASCII too, by a camera that does not see the gaps in the signs", () => {
    for (const [shape, wanted] of [
      [ASCII, "HTTPS://192.0.2.10:8443"],
      [{ ...TALL, reverses: false }, LINK],
    ] as const) {
      assert.equal(
        readCode(photograph(screenshot(bannerLines(unclaimed, shape), shape), { scale: 0.375, blur: 4 })),
        wanted,
      );
    }
  });
  it("leads the small one of an ASCII console to the page that the reader is", () => {
    assert.equal(new URL("HTTPS://192.0.2.10:8443").href, "https://192.0.2.10:8443/");
  });
  it("is left away where it does not fit: the address and the token stay", () => {
    const text = bannerLines(FACTS, { columns: 50, rows: 12, charset: "utf8" }).join("\n");
    assert.ok(!/[\u2580-\u2588]/.test(text) && text.includes(TOKEN) && text.includes("http://192.0.2.10:8080"));
  });
  for (const address of ["10.0.0.1", "192.168.178.255", "2001:db8:1234:5678:9abc:def0:1234:5678"]) {
    it(`fits and is read for ${address}`, () => {
      const shape = { ...VGA, columns: address.includes(":") ? 100 : 80, rows: address.includes(":") ? 30 : 25 };
      const lines = bannerLines({ ...unclaimed, addresses: [address] }, shape);
      const host = address.includes(":") ? `[${address}]` : address;
      assert.equal(readCode(screenshot(lines, shape)), LINK.replace("192.0.2.10", host));
    });
  }
  it("never holds the token in the small form", () => {
    assert.ok(!(readCode(screenshot(bannerLines(unclaimed, SOLID), SOLID)) ?? "").includes("token"));
  });
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
