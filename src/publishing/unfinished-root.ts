/** Root documents as files: the finished one that goes to the boxes, and the one that still collects signatures. */
import type { Metadata, Root } from "@tufjs/models";
import type { CommandContext, Flag } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { ROLE_BYTES, readMetadata, signatoriesOf, writeMetadata } from "../trust/metadata.ts";
import { type LackingSignatures, lackingFor } from "../trust/root.ts";

/** Where the finished root goes. */
export const OUT_FLAG: Flag = {
  name: "out",
  type: "string",
  value: "<file>",
  summary: "Where to write root, for the boxes",
  fallback: "root.json",
};
/** Begins a root that others go on signing. */
export const UNFINISHED_FLAG: Flag = {
  name: "unfinished",
  type: "string",
  value: "<file>",
  summary: "Publish nothing: write root here with the signatures there are, for others to sign",
};

/** Writes a root that others go on signing, and says whose signatures are wanted. Publishes nothing. */
export async function writeUnfinished(
  context: CommandContext,
  root: Metadata<Root>,
  before?: Metadata<Root>,
): Promise<ExitCode> {
  const path = typedPath(flagText(context.flags, UNFINISHED_FLAG.name) ?? context.args[0] ?? "", context.env);
  await context.deps.files.write(path, writeMetadata(root), { mode: 0o644 });
  const { version, expires, roles } = root.signed;
  const keys = Object.fromEntries(
    Object.entries(roles).map(([role, { keyIDs, threshold }]) => [role, { threshold, keys: keyIDs }]),
  );
  const lacking = lackingFor(root, before);
  const shown = { version, expires, roles: keys, signed: signatoriesOf(root, "root", root), lacking, root: path };
  context.out.result(shown, () =>
    [
      `root ${version}, good until ${expires}, is not published`,
      ...Object.entries(keys).map(([role, of]) => `${role.padEnd(9)} ${of.threshold} of ${of.keys.join(", ")}`),
      ...(lacking.length === 0 ? ["no signature of root is lacking: release trust finish publishes it"] : []),
      ...lacking.map(lackingText),
      path,
    ].join("\n"),
  );
  return EXIT.done;
}

function lackingText({ root, count, keys }: LackingSignatures): string {
  return `lacks ${count} of the keys of root ${root}: ${keys.join(", ")}`;
}

/**
 * Reads a root that collects signatures. Its content is checked, its signatures are not: `lackingFor` counts those that verify.
 *
 * @throws {ApplianceError} trust/bad-metadata when there is no such file, or it is no root.
 */
export async function readUnfinished({ args, env, deps }: CommandContext): Promise<Metadata<Root>> {
  const path = typedPath(args[0] ?? "", env);
  const bytes = await deps.files.read(path, { maxBytes: ROLE_BYTES.root });
  if (bytes !== undefined) return readMetadata("root", bytes);
  throw new ApplianceError("trust/bad-metadata", `Cannot sign root "${path}": there is no such file`, {
    hint: "alga-appliance release trust init --unfinished <file> begins one",
  });
}

/** Refuses a root that lacks signatures. @throws {ApplianceError} trust/threshold. */
export function assertFinished(root: Metadata<Root>, before?: Metadata<Root>): void {
  const lacking = lackingFor(root, before);
  if (lacking.length === 0) return;
  throw new ApplianceError(
    "trust/threshold",
    `Cannot publish root "${root.signed.version}": it ${lacking.map(lackingText).join("; it ")}`,
    { hint: "alga-appliance release trust sign <file> --key <private key> adds a signature", details: { lacking } },
  );
}

/** Writes the published root for the boxes and says what it is. */
export async function finishRoot(context: CommandContext, root: Uint8Array, done: string) {
  const path = typedPath(flagText(context.flags, "out") ?? "root.json", context.env);
  await context.deps.files.write(path, root, { mode: 0o644 });
  const { version, expires, roles } = readMetadata("root", root).signed;
  const shown = { version, expires, threshold: roles.root?.threshold ?? 0, keys: roles.root?.keyIDs ?? [], root: path };
  context.out.result(shown, () =>
    [
      `root ${version} ${done}, good until ${expires}`,
      `${shown.threshold} of ${shown.keys.length} keys make the next one`,
      path,
    ].join("\n"),
  );
  return EXIT.done;
}
