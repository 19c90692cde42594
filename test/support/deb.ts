/** Debian packages for tests: an ar archive of a version, a control tar and a data tar. */
import { gunzipSync } from "node:zlib";
import { type LayerEntry, packLayer } from "../../src/publishing/image-layer.ts";

/** What a made package says and holds. */
export interface MadePackage {
  /** Text of the control file. */
  readonly control: string;
  readonly entries: readonly LayerEntry[];
  /** Compresses both tars; default gzip. */
  readonly compress?: { readonly suffix: string; readonly pack: (tar: Uint8Array) => Uint8Array };
}

/** Makes a package. */
export async function makeDeb({ control, entries, compress }: MadePackage): Promise<Uint8Array> {
  const file = { path: "./control", bytes: new TextEncoder().encode(control) };
  const [first, second] = [
    await packLayer([file], { modifiedSeconds: 0 }),
    await packLayer(entries, { modifiedSeconds: 0 }),
  ];
  const pack = (layer: Uint8Array): Uint8Array => (compress === undefined ? layer : compress.pack(gunzipSync(layer)));
  const suffix = compress?.suffix ?? "gz";
  return ar([
    ["debian-binary", new TextEncoder().encode("2.0\n")],
    [`control.tar.${suffix}`, pack(first.bytes)],
    [`data.tar.${suffix}`, pack(second.bytes)],
  ]);
}

/** An ar archive. @see ar(5) */
export function ar(parts: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const pieces = parts.flatMap(([name, bytes]) => {
    const header = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(bytes.length).padEnd(10)}\`\n`;
    return [Buffer.from(header), bytes, Buffer.from(bytes.length % 2 === 1 ? "\n" : "")];
  });
  return new Uint8Array(Buffer.concat([Buffer.from("!<arch>\n"), ...pieces]));
}
