/** What stands in the way of an update besides the release itself: the checks before any change, and definitions that it takes away. Pure. */
import type { Check } from "../status/model.ts";
import type { DefinitionChange, NotNow } from "./model.ts";

/** Told with the bytes of this very update instead. */
const TOLD = "host/disk-space";

/** Failed checks that stand in the way. What only the network lacks is waited for, before anything is changed. */
export function checkReasons(checks: readonly Check[]): readonly NotNow[] {
  return checks
    .filter(({ code, state }) => state === "failed" && code !== TOLD && !isWaitedFor(code))
    .map(({ code, title, cause, next }) => ({ code, message: `${title}: ${cause.replace(/\.$/, "")}`, hint: next }));
}

/** Failed checks that the update waits for. */
export function checkWarnings(checks: readonly Check[]): readonly string[] {
  return checks
    .filter(({ code, state }) => state === "failed" && isWaitedFor(code))
    .map(
      ({ title, cause }) =>
        `${title}: ${cause.replace(/\.$/, "")}. The update waits for it before anything is changed.`,
    );
}

function isWaitedFor(code: string): boolean {
  return code.startsWith("network/");
}

/** A version in which objects are stored cannot be taken away: the API server refuses the definition, or loses sight of them. */
export function definitionReasons(changes: readonly DefinitionChange[]): readonly NotNow[] {
  return changes
    .filter(({ lost }) => lost.length > 0)
    .map(({ name, lost }) => ({
      code: "update/stored-version",
      message: `The release takes ${lost.join(", ")} of ${name} away, and objects are stored in it`,
      hint: "Tell the publisher of the release: a release between must store these objects anew",
    }));
}

/** Wanted and present versions of definitions, one change each; what stays as it is has none. */
export function definitionChanges(
  wanted: readonly Definition[],
  present: ReadonlyMap<string, Definition>,
): readonly DefinitionChange[] {
  return wanted.flatMap(({ name, versions }): DefinitionChange[] => {
    const before = present.get(name);
    if (before === undefined) return [{ name, isNew: true, added: versions, removed: [], lost: [] }];
    const added = versions.filter((version) => !before.versions.includes(version));
    const removed = before.versions.filter((version) => !versions.includes(version));
    const lost = before.stored.filter((version) => !versions.includes(version));
    return added.length + removed.length + lost.length === 0 ? [] : [{ name, isNew: false, added, removed, lost }];
  });
}

/** A CustomResourceDefinition by what an update may break. */
export interface Definition {
  /** "helmreleases.helm.toolkit.fluxcd.io" */
  readonly name: string;
  readonly versions: readonly string[];
  /** Versions in which objects are stored; of a definition that is only wanted, none. */
  readonly stored: readonly string[];
}
