/**
 * What an executable says of itself: version, commit, target and the packages in it, written into its bytes by `build.ts`.
 *
 * So an image, its SBOM and its provenance describe the executable that was given, also one for a machine that this one
 * cannot run, and a stripped or foreign file is found before it is published. The bytes are the publisher's own; the form
 * is checked all the same.
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { Architecture } from "./image-elf.ts";

declare const ALGA_FACTS: string | undefined;

/** The mark of the executable that runs now; absent when it runs from sources. */
const OWN_MARK: string | undefined = typeof ALGA_FACTS === "string" ? ALGA_FACTS : undefined;

const packageSchema = z.object({
  /** Name at the package registry. */
  name: z.string().min(1).max(214),
  version: z.string().min(1).max(128),
  /** SPDX license expression, as the package declares it. */
  license: z.string().max(200).optional(),
  /** Of the package's archive: `sha512-` and base64. */
  integrity: z
    .string()
    .regex(/^sha512-[A-Za-z0-9+/]{86}==$/)
    .optional(),
  /** "runtime": what executes the rest; "bundled": code inside it. */
  kind: z.enum(["runtime", "bundled"]),
});

const factsSchema = z.object({
  schema: z.literal("alga.appliance.build/v1"),
  version: z.string().min(1).max(128),
  revision: z.string().min(1).max(64),
  /** Whole name of the commit; absent when the sources differed from it, or were no checkout. */
  commit: z
    .string()
    .regex(/^[0-9a-f]{40}$/)
    .optional(),
  /** "linux-x64" or "linux-arm64". */
  target: z.enum(["linux-x64", "linux-arm64"]),
  /** Digest of the lock file that the packages were installed by. */
  lock: z.custom<Digest>(isDigest),
  packages: z.array(packageSchema).max(1_000),
});

export type BuildFacts = z.infer<typeof factsSchema>;
export type BundledPackage = z.infer<typeof packageSchema>;

const TARGETS: Readonly<Record<Architecture, BuildFacts["target"]>> = { amd64: "linux-x64", arm64: "linux-arm64" };
/** What stands around the facts in the bytes; base64 in between needs no escapes, whatever the bundler does. */
const BEGIN = "alga-appliance-facts:v1:";
const MARK = /^alga-appliance-facts:v1:([A-Za-z0-9+/=]{1,262144}):end/;
const MAX_MARK = BEGIN.length + 262_144 + ":end".length;

/**
 * Reads the facts out of an executable.
 *
 * @param options.what For messages: `executable "/x/alga-appliance"`.
 * @param options.architecture What it must have been built for.
 * @throws {ApplianceError} image/not-ours when there are none, as in a stripped or foreign file.
 * @throws {ApplianceError} image/wrong-machine when it was built for another target.
 */
export function readBuildFacts(
  executable: Uint8Array,
  options: { readonly what: string; readonly architecture: Architecture },
): BuildFacts {
  const facts = parseFacts(findMark(executable, options.what), options.what);
  if (facts.target === TARGETS[options.architecture]) return facts;
  throw new ApplianceError(
    "image/wrong-machine",
    `Cannot use ${options.what}: it was built for ${facts.target}, ${TARGETS[options.architecture]} is wanted`,
  );
}

/** The facts of the executable that runs now; undefined when it runs from sources. */
export function ownFacts(): BuildFacts | undefined {
  const encoded = OWN_MARK === undefined ? undefined : MARK.exec(OWN_MARK)?.[1];
  return encoded === undefined ? undefined : parseFacts(encoded, "this executable");
}

/** The base64 between the marks. What only looks like a beginning, as in the code of this file, is passed over. */
function findMark(executable: Uint8Array, what: string): string {
  const bytes = Buffer.from(executable.buffer, executable.byteOffset, executable.byteLength);
  for (let at = bytes.indexOf(BEGIN); at >= 0; at = bytes.indexOf(BEGIN, at + 1)) {
    const encoded = MARK.exec(bytes.toString("latin1", at, at + MAX_MARK))?.[1];
    if (encoded !== undefined) return encoded;
  }
  throw new ApplianceError(
    "image/not-ours",
    `Cannot use ${what}: it holds no facts of a build, an appliance executable is wanted`,
    {
      hint: "Build it with npm run build; strip takes the facts and the program out of it",
    },
  );
}

function parseFacts(encoded: string, what: string): BuildFacts {
  const parsed = factsSchema.safeParse(parseJson(Buffer.from(encoded, "base64"), { what: `facts of ${what}` }));
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new ApplianceError("image/not-ours", `Cannot use ${what}: the field "${field}" of its facts has another form`);
}
