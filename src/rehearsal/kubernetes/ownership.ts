/**
 * Who owns which field: managedFields read, checked and rewritten at every write.
 *
 * An apply owns what it names and gives back what it no longer names; an update owns what it changed. Another manager's
 * field may be shared with an equal value, never changed without force.
 *
 * @see Kubernetes API concepts, "Server-Side Apply", "Conflicts"; structured-merge-diff v6, merge, "Updater"
 */
import { isPlainObject } from "../../core/json.ts";
import type { KubeObject, ManagedFieldsEntry } from "../../kube/model.ts";
import {
  difference,
  EMPTY_SET,
  equalSets,
  type FieldSet,
  fieldSet,
  formatPath,
  fromFieldsV1,
  intersection,
  isEmptySet,
  LEAF,
  pathsOf,
  toFieldsV1,
  union,
  withParents,
} from "./field-set.ts";
import { compare, fieldsOf, merge, remove } from "./merge.ts";
import { type Cause, Refusal } from "./refusal.ts";
import type { MergeRule } from "./schema.ts";

/** Who writes, and how. */
export interface Writer {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339, seconds. */
  readonly time: string;
}

interface Owned {
  readonly entry: ManagedFieldsEntry;
  readonly set: FieldSet;
}

/** Fields that nobody owns: identity, and what the server writes. */
const UNOWNED = fieldSet(
  false,
  Object.entries({
    "f:apiVersion": LEAF,
    "f:kind": LEAF,
    "f:metadata": fieldSet(
      true,
      [
        "name",
        "namespace",
        "creationTimestamp",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
      ].map((name) => [`f:${name}`, LEAF] as const),
    ),
  }),
);

/** Records an update: the writer owns what changed, all others lose it. */
export function afterUpdate(
  rule: MergeRule,
  live: KubeObject | undefined,
  next: KubeObject,
  writer: Writer,
): KubeObject {
  // An object that nobody's fields were recorded of stays so until the first apply.
  if (live !== undefined && ownersOf(live).length === 0) return withManagers(next, []);
  const { changed, removed } = compare(rule, bare(live), bare(next));
  const mine = difference(changed, UNOWNED);
  const lost = union(mine, removed);
  if (isEmptySet(lost)) return withManagers(next, ownersOf(live));
  const others = ownersOf(live).filter((owned) => !isSameWriter(owned.entry, writer));
  const before = ownersOf(live).find((owned) => isSameWriter(owned.entry, writer))?.set ?? EMPTY_SET;
  const set = union(difference(before, removed), mine);
  const kept = others.map((owned) => ({ entry: owned.entry, set: difference(owned.set, lost) }));
  return withManagers(next, [...kept, { entry: entryOf(writer), set }]);
}

export interface Applied {
  readonly object: KubeObject;
  /** False when nothing but timestamps would change: such an apply is not stored. */
  readonly changesOwners: boolean;
}

/**
 * Lays a configuration over the live object (or nothing) as one manager.
 *
 * @throws {Refusal} 409 with one FieldManagerConflict cause a field when others own changed fields and force is not set.
 */
export function applyConfiguration(
  rule: MergeRule,
  live: KubeObject | undefined,
  configuration: KubeObject,
  options: { readonly writer: Writer; readonly force: boolean },
): Applied {
  const { writer } = options;
  const config = withoutNulls(bare(configuration) ?? configuration);
  const wanted = difference(fieldsOf(rule, config), UNOWNED);
  const owners = ownersBeforeApply(rule, live, writer);
  const others = owners.filter((owned) => !isSameWriter(owned.entry, writer));
  const mine = owners.find((owned) => isSameWriter(owned.entry, writer));
  const merged = asObject(merge(rule, bare(live), config), configuration);
  const { changed } = compare(rule, bare(live), bare(merged));
  const taken = conflictsOf(others, difference(changed, UNOWNED));
  if (taken.length > 0 && !options.force) throw conflictRefusal(taken);
  const pruned = prune(rule, merged, { last: mine?.set ?? EMPTY_SET, wanted, others });
  // What went with this apply is nobody's any more, even where others had written below it.
  const { removed } = compare(rule, merged, pruned);
  const left = others.map((owned) => ({ ...owned, set: difference(owned.set, union(lostTo(taken, owned), removed)) }));
  const same = mine !== undefined && equalSets(mine.set, wanted) && taken.length === 0;
  const entry = same ? mine.entry : entryOf(writer);
  return {
    object: withManagers(asObject(pruned, configuration), [...left, { entry, set: wanted }]),
    changesOwners: !same,
  };
}

interface Taken {
  readonly owned: Owned;
  readonly set: FieldSet;
}

function conflictsOf(others: readonly Owned[], changed: FieldSet): readonly Taken[] {
  return others
    .map((owned) => ({ owned, set: intersection(owned.set, changed) }))
    .filter(({ set }) => !isEmptySet(set));
}

function lostTo(taken: readonly Taken[], owned: Owned): FieldSet {
  return taken.find((one) => one.owned === owned)?.set ?? EMPTY_SET;
}

/** Removes what this manager applied before, applies no more, and nobody else owns. */
function prune(
  rule: MergeRule,
  merged: KubeObject,
  sets: { readonly last: FieldSet; readonly wanted: FieldSet; readonly others: readonly Owned[] },
): unknown {
  const needed = sets.others.reduce((all, owned) => union(all, withParents(owned.set)), withParents(sets.wanted));
  return remove(rule, merged, difference(difference(withParents(sets.last), needed), UNOWNED));
}

function conflictRefusal(taken: readonly Taken[]): Refusal {
  const causes: Cause[] = taken.flatMap(({ owned, set }) =>
    pathsOf(set).map((path) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${describeOwner(owned.entry)}`,
      field: formatPath(path),
    })),
  );
  const list = causes.map((cause) => `${cause.message}: ${cause.field ?? ""}`);
  const message =
    causes.length === 1
      ? `Apply failed with 1 conflict: ${list[0] ?? ""}`
      : `Apply failed with ${causes.length} conflicts: ${list.join("\n- ")}`;
  return new Refusal(409, "Conflict", message, { causes });
}

function describeOwner(entry: ManagedFieldsEntry): string {
  const subresource = entry.subresource === undefined ? "" : ` with subresource "${entry.subresource}"`;
  const at = entry.operation === "Update" && entry.time !== undefined ? ` at ${entry.time}` : "";
  return `"${entry.manager ?? ""}"${subresource} using ${entry.apiVersion ?? ""}${at}`;
}

function ownersOf(object: KubeObject | undefined): readonly Owned[] {
  return (object?.metadata.managedFields ?? []).map((entry) => ({ entry, set: fromFieldsV1(entry.fieldsV1) }));
}

/** At the first apply, what is there already belongs to an owner of its own, so that it is not taken unseen. */
function ownersBeforeApply(rule: MergeRule, live: KubeObject | undefined, writer: Writer): readonly Owned[] {
  const owners = ownersOf(live);
  if (live === undefined || owners.length > 0) return owners;
  const set = difference(compare(rule, {}, bare(live)).changed, UNOWNED);
  const first: Writer = { ...writer, manager: "before-first-apply", operation: "Update", subresource: "" };
  return [{ entry: entryOf(first), set }];
}

function withManagers(object: KubeObject, owners: readonly Owned[]): KubeObject {
  const { managedFields: _old, ...metadata } = object.metadata;
  const managedFields = owners
    .filter(({ set }) => !isEmptySet(set))
    .map(({ entry, set }) => ({ ...entry, fieldsType: "FieldsV1", fieldsV1: toFieldsV1(set) }));
  return { ...object, metadata: managedFields.length === 0 ? metadata : { ...metadata, managedFields } };
}

function entryOf(writer: Writer): ManagedFieldsEntry {
  const { manager, operation, apiVersion, subresource, time } = writer;
  return { manager, operation, apiVersion, time, ...(subresource === "" ? {} : { subresource }) };
}

function isSameWriter(entry: ManagedFieldsEntry, writer: Writer): boolean {
  return (
    entry.manager === writer.manager &&
    entry.operation === writer.operation &&
    (entry.subresource ?? "") === writer.subresource
  );
}

/** The object without its bookkeeping, so that it is no part of a comparison. */
function bare(object: KubeObject | undefined): Readonly<Record<string, unknown>> | undefined {
  if (object === undefined) return {};
  const { managedFields: _dropped, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function withoutNulls(value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([name, inner]) => [name, isPlainObject(inner) ? withoutNulls(inner) : inner]),
  );
}

function asObject(value: unknown, like: KubeObject): KubeObject {
  const fields = isPlainObject(value) ? value : {};
  const metadata = isPlainObject(fields.metadata) ? fields.metadata : {};
  return {
    ...fields,
    apiVersion: like.apiVersion,
    kind: like.kind,
    metadata: { ...metadata, name: like.metadata.name },
  };
}
