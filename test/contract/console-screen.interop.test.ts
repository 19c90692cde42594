/**
 * The screen of the box on a real text console: `console watch` draws on a virtual terminal of the kernel, which says what stands
 * there (vcs(4)), and a reader of QR codes reads what a VGA card makes of that. Skipped where this user has no consoles.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import jsQR from "jsqr";
import { statePaths } from "../../src/core/paths.ts";

const ROOT = join(import.meta.dirname, "../..");
const TOKEN = "0421-7734-9012-5568-1203";
/** One that nobody logs in on. */
const NUMBER = 61;
const CONSOLE = `/dev/tty${NUMBER}`;
const MEMORY = `/dev/vcsa${NUMBER}`;

/** Opening a console makes its memory. */
function missing(): string | undefined {
  try {
    const console = openSync(CONSOLE, "r+");
    try {
      return readFileSync(MEMORY).length > 4 ? undefined : "the console has no memory";
    } finally {
      closeSync(console);
    }
  } catch {
    return "this user has no text consoles";
  }
}

const skip = missing();
if (skip !== undefined) process.stdout.write(`skipped: the screen of the box: ${skip}\n`);

interface Screen {
  readonly rows: number;
  readonly columns: number;
  /** Number of a sign in the font, and its colors. */
  readonly cell: (row: number, column: number) => { readonly sign: number; readonly colors: number };
}

function screenNow(): Screen {
  const memory = readFileSync(MEMORY);
  const [rows = 0, columns = 0] = memory;
  const at = (row: number, column: number): number => 4 + 2 * (row * columns + column);
  const cell = (row: number, column: number): { readonly sign: number; readonly colors: number } => ({
    sign: memory[at(row, column)] ?? 0,
    colors: memory[at(row, column) + 1] ?? 0,
  });
  return { rows, columns, cell };
}

const textNow = (): string => {
  const { rows, columns, cell } = screenNow();
  return Array.from({ length: rows }, (_row, row) =>
    Array.from({ length: columns }, (_column, column) => {
      const { sign } = cell(row, column);
      return sign >= 0x20 && sign < 0x7f ? String.fromCharCode(sign) : " ";
    })
      .join("")
      .trimEnd(),
  ).join("\n");
};

/** Code page 437, in which a VGA card numbers its signs: full block, lower half, upper half. */
const BLOCKS: Readonly<Record<number, (y: number, height: number) => boolean>> = {
  219: () => true,
  220: (y, height) => y >= height / 2,
  223: (y, height) => y < height / 2,
};

/** Dots as the card sends them: cells of 8 or 9 by 16; the ninth column of the blocks repeats the eighth. */
function picture(
  { rows, columns, cell }: Screen,
  wide: 8 | 9,
): { dots: Uint8ClampedArray; width: number; height: number } {
  const [width, height] = [columns * wide, rows * 16];
  const dots = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const { sign, colors } = cell(Math.floor(y / 16), Math.floor(x / wide));
      const isInk = BLOCKS[sign]?.(y % 16, 16) ?? (sign !== 0x20 && (x * 7 + y * 5) % 3 === 0);
      const color = isInk ? colors & 0x0f : (colors >> 4) & 0x07;
      const light = color === 0 ? 0 : color >= 8 ? 255 : 170;
      dots.set([light, light, light, 255], (y * width + x) * 4);
    }
  }
  return { dots, width, height };
}

const codeOf = (wide: 8 | 9): string | undefined => {
  const { dots, width, height } = picture(screenNow(), wide);
  return jsQR(dots, width, height, { inversionAttempts: "dontInvert" })?.data;
};

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let looks = 0; !holds(); looks += 1) {
    if (looks > 1_200) throw new Error(`never: ${what}\n${textNow()}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

describe("the screen of the box, on a console of the kernel", { skip: skip ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "alga-screen-"));
  const ended: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const end of ended.reverse()) await end();
    rmSync(folder, { recursive: true, force: true });
  });

  async function boxThatAnswers(): Promise<number> {
    const paths = statePaths(folder);
    mkdirSync(dirname(paths.setupToken), { recursive: true });
    writeFileSync(paths.setupToken, `${TOKEN}\n`);
    const server = createServer((_request, answer) => answer.end('{"ok":true,"mode":"setup"}'));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    ended.push(() => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    });
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** As systemd starts it: the console is its standard output. */
  function watch(port: number, charset: string): { readonly stop: () => Promise<unknown> } {
    const output = openSync(CONSOLE, "r+");
    writeFileSync(output, "\u001bc\u001b%G");
    const env = {
      ...process.env,
      ...{ ALGA_APPLIANCE_ROOT: folder, ALGA_APPLIANCE_PORT: String(port), ALGA_APPLIANCE_NAME: "box-7f3a" },
      ...{ TERM: "linux", NO_COLOR: "1" },
    };
    const words = ["console", "watch", "--token", "--screen", String(NUMBER), "--charset", charset];
    const child: ChildProcess = spawn(process.execPath, ["src/main.ts", ...words], {
      cwd: ROOT,
      env,
      stdio: ["ignore", output, "inherit"],
    });
    const closed = new Promise((done) => child.once("close", done));
    const stop = async (): Promise<unknown> => {
      child.kill("SIGTERM");
      await closed;
      return closeSync(output);
    };
    return { stop };
  }

  it("shows a code that is read from it, and draws again what the kernel or anybody wrote over", async () => {
    const port = await boxThatAnswers();
    const { stop } = watch(port, "utf8");
    try {
      await until(() => textNow().includes("Log in on this machine: Alt+F2"), "the first frame");
      const { rows } = screenNow();
      await until(() => codeOf(8) !== undefined, "the whole code");
      assert.ok(textNow().includes(TOKEN));
      for (const wide of [8, 9] as const) {
        assert.match(codeOf(wide) ?? "none", new RegExp(`^http://[^/]+:${port}/setup\\?token=${TOKEN}$`));
      }
      const other = openSync(CONSOLE, "r+");
      writeFileSync(other, `\r\n[   12.345678] usb 1-1: new high-speed USB device${"\r\n".repeat(rows)}`);
      closeSync(other);
      await until(() => !textNow().includes("usb 1-1") && /token=/.test(codeOf(8) ?? ""), "the frame again");
      assert.ok(textNow().startsWith(" box-7f3a - Alga Appliance"));
    } finally {
      await stop();
    }
  });
  it("shows an ASCII console a code of reversed blanks that is read from it, without the token", async () => {
    const port = await boxThatAnswers();
    const { stop } = watch(port, "ascii");
    try {
      await until(() => textNow().includes("Log in on this machine"), "the first frame");
      await until(() => codeOf(8) !== undefined, "the whole code");
      for (const wide of [8, 9] as const) assert.match(codeOf(wide) ?? "none", new RegExp(`^HTTP://[^/]+:${port}$`));
      assert.ok(textNow().includes(TOKEN));
    } finally {
      await stop();
    }
  });
  it("leaves a blank part of the screen blank: the reader of codes can fail", () => {
    const console = openSync(CONSOLE, "r+");
    writeFileSync(console, "\u001bc");
    closeSync(console);
    assert.equal(codeOf(8), undefined);
    assert.ok(existsSync(MEMORY));
  });
});
