/** What is to be done about the storage of a cluster, decided from what it says. Pure. */
import { ApplianceError } from "../core/errors.ts";
import { fieldAt, type KubeObject, textAt } from "../kube/model.ts";
import { defaultClasses, describeClass, goesWithClaim, isStopped, type StorageFacts } from "./facts.ts";
import { CLASS_NAME, DEFAULT_MARK, DRIVER } from "./objects.ts";

/** What k3s writes on everything that it brings itself, and takes away by. @see k3s, pkg/deploy (wrangler apply) */
const K3S_MARK = "objectset.rio.cattle.io/hash";

/** A cluster that has its own storage, which is used and not touched; or the appliance's storage, with what is to be done first. */
export type StorageSituation =
  | { readonly kind: "foreign"; readonly storageClass: KubeObject }
  | {
      readonly kind: "own";
      /** Volumes that would be deleted with their claims. */
      readonly keep: readonly KubeObject[];
      /** The provisioner of k3s, while it runs. */
      readonly stop: KubeObject | undefined;
      /** A class of our name that cannot become ours by a change, because a class's policy never changes. */
      readonly replace: KubeObject | undefined;
    };

/**
 * Judges.
 *
 * @throws {ApplianceError} storage/several-defaults when nobody can tell which class a claim gets; storage/name-taken when the class
 *   that the product's charts name is another provisioner's and not the default.
 */
export function situationOf(facts: StorageFacts): StorageSituation {
  const defaults = defaultClasses(facts.classes);
  const [first, second] = defaults;
  if (first !== undefined && second !== undefined) throw severalDefaults(defaults);
  const named = facts.classes.find(({ metadata }) => metadata.name === CLASS_NAME);
  if (first !== undefined && !isTakenOver(first, facts)) return { kind: "foreign", storageClass: first };
  if (named !== undefined && textAt(named, "provisioner") !== DRIVER) throw nameTaken(named);
  return {
    kind: "own",
    keep: facts.volumes.filter((volume) => goesWithClaim(volume) && volume.metadata.deletionTimestamp === undefined),
    stop: facts.bundled !== undefined && !isStopped(facts.bundled) ? facts.bundled : undefined,
    replace: named !== undefined && !canBecomeOurs(named) ? named : undefined,
  };
}

/** Ours, that of k3s, or one that lost its provisioner; one of a provisioner in another place is somebody's own. */
function isTakenOver(one: KubeObject, facts: StorageFacts): boolean {
  if (one.metadata.name !== CLASS_NAME || textAt(one, "provisioner") !== DRIVER) return false;
  return facts.others.length === 0 || facts.provisioner !== undefined || facts.bundled !== undefined;
}

/** k3s would take a class with its mark away when it takes its own storage away. */
function canBecomeOurs(one: KubeObject): boolean {
  return (
    textAt(one, "reclaimPolicy") === "Retain" &&
    textAt(one, "volumeBindingMode") === "WaitForFirstConsumer" &&
    fieldAt(one, "parameters") === undefined &&
    fieldAt(one, "metadata", "labels", K3S_MARK) === undefined
  );
}

function severalDefaults(defaults: readonly KubeObject[]): ApplianceError {
  const names = defaults.map(describeClass).join(", ");
  const other = defaults.find(({ metadata }) => metadata.name !== CLASS_NAME)?.metadata.name ?? "<name>";
  return new ApplianceError(
    "storage/several-defaults",
    `Cannot choose a StorageClass: ${defaults.length} are the default (${names}), one is wanted`,
    {
      hint: `Take the mark from all but one: kubectl annotate storageclass ${other} ${DEFAULT_MARK}-`,
      details: { retrySafe: true },
    },
  );
}

function nameTaken(named: KubeObject): ApplianceError {
  return new ApplianceError(
    "storage/name-taken",
    `Cannot make StorageClass "${CLASS_NAME}": ${describeClass(named)} has that name and is not the default, the default or no such class is wanted`,
    {
      hint: `Make it the default: kubectl annotate storageclass ${CLASS_NAME} ${DEFAULT_MARK}=true`,
      details: { retrySafe: true },
    },
  );
}
