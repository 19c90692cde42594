/**
 * The banner where other programs show it: before a login prompt, after a login, and as a plain file. Never with the token: who reads
 * them may sit anywhere.
 *
 * All lie under /run: nothing is written to the disk, and nothing stays after the next boot.
 *
 * @see agetty(8), "ISSUE FILES"; pam_motd(8), "motd_dir"
 */
import { dirname, join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { type BannerFacts, bannerLines } from "./banner.ts";

const ISSUE = "run/issue.d/alga-appliance.issue";
const MOTD = "run/motd.d/alga-appliance";
const PLAIN = "run/alga-appliance/banner.txt";

const MAX_BYTES = 64 * 1024;

/** The banner for places where the reader may sit anywhere: without the token and the first login, as long as it is, in ASCII. Pure. */
export function openBanner(facts: BannerFacts, columns: number): readonly string[] {
  return bannerLines({ ...facts, token: null, login: null }, { columns, rows: 0, charset: "ascii" });
}

/**
 * Writes the files that differ. A place that cannot be written is logged and left: the banner is never a reason to fail.
 * @returns paths that were written.
 */
export async function writeBannerFiles(
  deps: Pick<Deps, "files" | "log">,
  facts: BannerFacts,
  options: { readonly root: string; readonly columns: number },
): Promise<readonly string[]> {
  const text = `${openBanner(facts, options.columns).join("\n")}\n`;
  // A backslash begins an instruction to agetty.
  const contents = { [ISSUE]: text.replaceAll("\\", "\\\\"), [MOTD]: text, [PLAIN]: text };
  const written: string[] = [];
  for (const [name, content] of Object.entries(contents)) {
    const path = join(options.root, name);
    try {
      if (await putFile(deps, path, content)) written.push(path);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      deps.log.warn("banner not written", { path, error });
    }
  }
  return written;
}

async function putFile({ files }: Pick<Deps, "files">, path: string, text: string): Promise<boolean> {
  const before = await files.read(path, { maxBytes: MAX_BYTES });
  if (before !== undefined && new TextDecoder().decode(before) === text) return false;
  await files.makeDirectory(dirname(path), { mode: 0o755 });
  await files.write(path, text, { mode: 0o644 });
  return true;
}
