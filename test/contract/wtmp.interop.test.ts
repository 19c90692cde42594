/** The records of boots that tests are written with, as the system's own reader of wtmp reads them. Skipped where there is none. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { wtmpOf } from "../support/wtmp.ts";

const LAST = "/usr/bin/last";
const skip = existsSync(LAST) ? false : "no last of util-linux";
if (skip !== false) process.stdout.write(`skipped: wtmp: ${skip}\n`);

it("wtmp is read by last(1): a boot, a shutdown, a boot", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "alga-wtmp-"));
  try {
    const path = join(folder, "wtmp");
    const at = (hour: number): number => Date.UTC(2026, 10, 1, hour);
    writeFileSync(
      path,
      wtmpOf([
        { kind: 2, user: "reboot", atMs: at(8) },
        { kind: 1, user: "shutdown", atMs: at(18) },
        { kind: 2, user: "reboot", atMs: at(20) },
      ]),
    );
    const env = { ...process.env, TZ: "UTC", LC_ALL: "C" };
    const said = execFileSync(LAST, ["-x", "--time-format", "iso", "-f", path], { encoding: "utf8", env });
    const lines = said.split("\n").filter((line) => /^(?:reboot|shutdown)/.test(line));
    assert.deepEqual(
      lines.map((line) => `${line.split(" ")[0]} ${/2026-11-01T\d\d/.exec(line)?.[0]}`),
      ["reboot 2026-11-01T20", "shutdown 2026-11-01T18", "reboot 2026-11-01T08"],
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
