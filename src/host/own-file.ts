/** Files of programs of others that the appliance writes: root's alone, known by their first line, and gone when nothing is wanted. */
import { dirname, join } from "node:path/posix";
import type { BootstrapCall } from "./bootstrap-context.ts";

const MAX_BYTES = 1024 * 1024;
const SECRET_MODE = 0o600;

export interface OwnFile {
  /** First line of what we write: a file without it is somebody else's. Absent: the path is ours alone. */
  readonly head?: string;
  /** Where a file of somebody else goes that stands in our place. Absent: it is written over. */
  readonly aside?: string;
  /** 0600 unless it is given. */
  readonly mode?: number;
}

/**
 * Writes the file unless it is there with this text and mode; undefined removes what an earlier boot wrote. Safe to call again.
 * @returns whether its content has changed.
 */
export async function placeOwnFile(
  call: BootstrapCall,
  path: string,
  { text, head, aside, mode = SECRET_MODE }: OwnFile & { readonly text: string | undefined },
): Promise<boolean> {
  const { files } = call.deps;
  const place = join(call.settings.paths.root, path);
  const before = await ownText(call, path);
  const isOurs = before !== undefined && (head === undefined || before.startsWith(head));
  if (text === undefined) {
    if (isOurs) await files.remove(place);
    return isOurs;
  }
  if (before === text && (await files.stat(place))?.mode === mode) return false;
  if (before !== undefined && !isOurs && aside !== undefined) {
    await files.rename(place, join(call.settings.paths.root, aside));
    call.deps.log.warn("file of somebody else is put aside", { path: aside });
  }
  await files.makeDirectory(dirname(place), { mode: 0o755 });
  await files.write(place, text, { mode });
  return before !== text;
}

/** What is there now; undefined: nothing. */
export async function ownText({ deps, settings }: BootstrapCall, path: string): Promise<string | undefined> {
  const bytes = await deps.files.read(join(settings.paths.root, path), { maxBytes: MAX_BYTES });
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}
