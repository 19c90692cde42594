/** A release as an argument names it: a channel, a version, a digest, or a whole reference. */
import type { CommandContext } from "../cli/command.ts";
import { isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { refOfTag, releaseRefOf } from "../release/registry-flags.ts";
import type { ReleaseRef } from "../release/resolved.ts";

/** What the positional argument is, for help. */
export const RELEASE_ARGUMENT = "Channel, version, digest, or a whole reference: oci://host/repository:tag";

/**
 * Reads the argument.
 *
 * @returns `reference` when it was a whole one: its registry and repository win over flags.
 * @throws {ApplianceError} cli/usage, oci/bad-reference.
 */
export function namedRelease(
  context: Pick<CommandContext, "flags" | "settings">,
  text: string,
): { readonly ref: ReleaseRef; readonly reference: Reference | undefined } {
  const reference = text.includes("/") ? parseReference(text) : undefined;
  return { ref: reference === undefined ? refOfText(text) : refOfReference(context, reference, text), reference };
}

function refOfText(text: string): ReleaseRef {
  if (isDigest(text)) return { digest: text };
  if (/^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$/.test(text)) return refOfTag(text);
  throw unusable(text, "it is no channel, version or digest");
}

function refOfReference(
  context: Pick<CommandContext, "flags" | "settings">,
  reference: Reference,
  text: string,
): ReleaseRef {
  if (reference.tag === undefined && reference.digest === undefined)
    throw unusable(text, "it has no tag and no digest");
  return releaseRefOf(context, reference);
}

function unusable(text: string, is: string): ApplianceError {
  return new ApplianceError("cli/usage", `Cannot use release "${text.slice(0, 200)}": ${is}, one is wanted`, {
    hint: "alga-appliance release list shows what there is",
  });
}
