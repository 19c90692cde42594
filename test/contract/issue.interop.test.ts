/** The banner of login prompts as agetty itself shows it, serial consoles too: every line as it was drawn. Skipped where there is none. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { BannerFacts } from "../../src/host/banner.ts";
import { openBanner, writeBannerFiles } from "../../src/host/console-files.ts";
import { systemFiles } from "../../src/platform/files.ts";

const AGETTY = ["/usr/sbin/agetty", "/sbin/agetty"].find((path) => existsSync(path));
const SCRIPT = "/usr/bin/script";
const skip = AGETTY !== undefined && existsSync(SCRIPT) ? false : "no agetty, or no script of util-linux";
if (skip !== false) process.stdout.write(`skipped: login prompts: ${skip}\n`);

const TOKEN = "0421-7734-9012-5568-1203";
const FACTS: BannerFacts = {
  // What agetty would obey: the name of the system, addresses, a reboot of the line, users, colors.
  name: "box \\s \\4 \\n \\U \\e{red} %",
  version: "1.0.3",
  addresses: ["192.0.2.10", "2001:db8:1234:5678:9abc:def0:1234:5678"],
  port: 8080,
  secure: { port: 8443, short: "7A:1F:03:9C:D2:44:B8:E0:51:6A" },
  bootstrap: null,
  answers: true,
  claimed: false,
  token: TOKEN,
  status: null,
};

it("login prompts show the banner as it is, and no token", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "alga-issue-"));
  try {
    const [issue = ""] = await writeBannerFiles({ files: systemFiles, log: SILENT_LOG }, FACTS, {
      root: folder,
      columns: 80,
    });
    assert.match(issue, /\/run\/issue\.d\/alga-appliance\.issue$/);
    const shown = execFileSync(SCRIPT, ["-qec", `${AGETTY} --show-issue --issue-file ${issue}`, "/dev/null"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    const lines = shown.split(/\r?\n/).map((line) => line.trimEnd());
    for (const line of openBanner(FACTS, 80)) assert.ok(lines.includes(line), `${line}\n${shown}`);
    assert.ok(!shown.includes(TOKEN));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
