/**
 * What a check is: data with one function that finds what is wrong.
 *
 * `find` looks at the view and returns one finding per thing that is wrong; no finding means that all is well. Whether
 * its observations may be believed at all is decided outside, by `needs`. A check that explains others names them by
 * code and says how the two must be related, so that the summary names the root and folds the rest under it.
 */
import type { Evidence } from "../../core/evidence.ts";
import type { TierName } from "../model.ts";
import type { ListKey } from "../observation.ts";
import type { View } from "../view.ts";
import type { CheckCode } from "./check-code.ts";

/** What a finding is about; two findings are related where a named part of their scopes is equal. */
export interface Scope {
  readonly node?: string;
  readonly component?: string | undefined;
  /** "Pod msp/db-0" */
  readonly pod?: string;
  /** "msp/data-db-0" */
  readonly claim?: string;
  /** A Flux object: "Kustomization flux-system/alga-core". */
  readonly flux?: string;
  /** It is the pod that makes volumes for everybody. */
  readonly provisioner?: boolean;
}

export interface Finding {
  readonly scope: Scope;
  /** Absent: the tier of the rule. */
  readonly tier?: TierName;
  /** Absent: failed. `progressing`: it may still come right by itself. `unknown`: it cannot be judged from here. */
  readonly state?: "failed" | "progressing" | "unknown";
  /** A clause for the summary, lower case, no period: "the disk is full". */
  readonly headline: string;
  /** One sentence that a person reads first. */
  readonly title: string;
  /** What was seen, in one or two sentences. */
  readonly cause: string;
  /** Two words for the row of a component: "Image missing". */
  readonly label?: string;
  readonly evidence: readonly Evidence[];
  /** Absent: the next step of the rule. */
  readonly next?: string | null;
  readonly retrySafe?: boolean;
  readonly sinceMs?: number | undefined;
}

export type Relation =
  | "any"
  | "same-node"
  | "same-component"
  | "same-pod"
  | "same-claim"
  | "same-flux"
  | "lower-tier"
  | "provisioner";

export interface Explains {
  /** Codes, or an area with a star: "pod/*". */
  readonly codes: readonly string[];
  readonly where: Relation;
}

/** One check as data. Its finder is pure: it sees a view of what was observed and asks nobody. */
export interface CheckRule {
  readonly code: CheckCode;
  readonly tier: TierName;
  /** The sentence when all is well. */
  readonly title: string;
  /** One sentence for the operator guide: what this check guards against. */
  readonly about: string;
  /** The next step when something is found and the finding has no better one; null when there is none to take. */
  readonly next: string | null;
  /** Whether trying again without a change is safe and may help. */
  readonly retrySafe: boolean;
  /** Kinds that must have been read lately; else the check is unknown. */
  readonly needs: readonly ListKey[];
  /** Why what the check looks at cannot be believed now, where that is no kind of Kubernetes; undefined when it can. */
  readonly doubt?: (view: View) => string | undefined;
  readonly explains?: readonly Explains[];
  readonly find: (view: View) => readonly Finding[];
}

/** What a row of a table of checks says of its own rule; the table says the rest once for all its rows. */
export type RuleWords = Pick<CheckRule, "code" | "title" | "about" | "next" | "retrySafe">;

/** The words of a row, without what the row is found by. */
export function wordsOf({ code, title, about, next, retrySafe }: RuleWords): RuleWords {
  return { code, title, about, next, retrySafe };
}

const TIER_ORDER: readonly TierName[] = ["platform", "core", "bootstrap", "login", "background", "full"];

/** Place on the ladder, 0 for the platform. */
export function tierRank(tier: TierName): number {
  return TIER_ORDER.indexOf(tier);
}
