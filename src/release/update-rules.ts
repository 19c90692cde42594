/**
 * What a release says about coming to it and leaving it: required stops, migrations that cannot be undone, the data floor.
 *
 * The field `update` of the release manifest, since 2026-12; a release without it may be reached from any other. What does
 * not read is no rule that could be kept, so the release is refused.
 */
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import type { ReleaseManifest } from "./model.ts";
import { readVersion } from "./version.ts";

const version = z
  .string()
  .max(128)
  .refine((text) => readVersion(text) !== undefined, "a version like 1.0.3 is wanted");

const migrationSchema = z.looseObject({
  /** Stable name: "2026-03-split-contacts". */
  id: z.string().min(1).max(120),
  /** One sentence for the operator. */
  about: z.string().min(1).max(500),
  /** True: the release before works with the data after it. */
  reversible: z.boolean().default(false),
});

export const updateRulesSchema = z.looseObject({
  /** Versions that must not be jumped over: whoever has a lower one installs these first, in their order. */
  stops: z.array(version).max(32).default([]),
  migrations: z.array(migrationSchema).max(64).default([]),
  /** Lowest version that works with the data once this release has run. */
  dataFloor: version.optional(),
});

export type UpdateRules = z.output<typeof updateRulesSchema>;

/** Migrations of a release that cannot be undone and that the one before has not run already. Throws as `updateRulesOf`. */
export function irreversibleSince(
  manifest: ReleaseManifest,
  before: ReleaseManifest | undefined,
): readonly { readonly id: string; readonly about: string }[] {
  const ran = new Set(before === undefined ? [] : updateRulesOf(before).migrations.map(({ id }) => id));
  return updateRulesOf(manifest)
    .migrations.filter(({ id, reversible }) => !reversible && !ran.has(id))
    .map(({ id, about }) => ({ id, about }));
}

/**
 * Reads the rules of a release.
 *
 * @throws {ApplianceError} release/invalid-manifest when the field is there and cannot be used.
 */
export function updateRulesOf(manifest: ReleaseManifest): UpdateRules {
  const parsed = updateRulesSchema.safeParse(manifest.update ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ApplianceError(
    "release/invalid-manifest",
    `Cannot use release "${manifest.version}": update.${issue?.path.join(".") ?? ""} has another form, ${issue?.message ?? "rules"}`,
    { hint: "Choose another version of the release, and tell its publisher" },
  );
}
