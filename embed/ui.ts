/** The web UI as the executable carries it: made by `build.ts` before anything runs, checked when it is imported. */
import built from "./generated/ui.json" with { type: "json" };

export interface UiFile {
  /** "index.html", "assets/app-1a2b3c.js". */
  readonly path: string;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** All files of the UI, decoded. */
export function uiFiles(): readonly UiFile[] {
  return built.files.map((file) => ({
    path: file.path,
    type: file.type,
    bytes: new Uint8Array(Buffer.from(file.base64, "base64")),
  }));
}
