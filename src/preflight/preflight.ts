/**
 * Preflight: what must be true before anything is changed, as data.
 *
 * Every check is run, whatever the others say, and every failure shows with its cause, what was seen and the next step.
 * A check observes and changes nothing. Which things are looked at follows the host checks of Embedded Cluster and k3s
 * where they apply to a box that runs already.
 */
import { stepError } from "../operation/step.ts";
import type { Check } from "../status/model.ts";
import { type Finding, findingOf, type PreflightCheck, type PreflightContext, type Requirements } from "./check.ts";
import { CLUSTER_CHECKS } from "./cluster.ts";
import { HOST_CHECKS } from "./host.ts";
import { NETWORK_CHECKS } from "./network.ts";
import { TRUST_CHECKS } from "./trust.ts";

export const REQUIREMENTS: Requirements = {
  freeDiskBytes: 20e9,
  memoryBytes: 7.5e9,
  cpus: 2,
  // Flux 2.7 supports 1.32 and later; 1.37 is the newest that the lab has seen or the next one.
  kubernetes: { min: 32, max: 37 },
  ports: [3000],
  clockSkewMs: 5 * 60_000,
};

/** Milliseconds for one check. */
const CHECK_MS = 20_000;

export interface PreflightResult {
  readonly checks: readonly Check[];
  /** Answers that the failed checks would have corrected. */
  readonly fields: readonly string[];
  /** What holds and should be known all the same: "release unverified". */
  readonly warnings: readonly string[];
}

export const PREFLIGHT_CHECKS: readonly PreflightCheck[] = [
  ...NETWORK_CHECKS,
  ...HOST_CHECKS,
  ...CLUSTER_CHECKS,
  ...TRUST_CHECKS,
];

/** Runs all checks side by side. Never rejects, unless the signal fires. */
export async function runPreflight(context: PreflightContext, signal: AbortSignal): Promise<PreflightResult> {
  const findings = await Promise.all(PREFLIGHT_CHECKS.map((check) => find(check, context, signal)));
  signal.throwIfAborted();
  return {
    checks: PREFLIGHT_CHECKS.map((check, index) => toCheck(check, findings[index])),
    fields: [...new Set(findings.flatMap((finding) => (finding.ok ? [] : (finding.fields ?? []))))],
    warnings: findings.flatMap((finding) => (finding.ok && finding.warning !== undefined ? [finding.warning] : [])),
  };
}

/**
 * Refuses to go on when a check failed.
 *
 * @throws {ApplianceError} setup/preflight-failed with every failure as evidence, the first with its next step as hint.
 */
export function assertPreflight(result: PreflightResult): void {
  const failed = result.checks.filter((check) => check.state === "failed");
  const first = failed[0];
  if (first === undefined) return;
  const others = failed.length === 1 ? "" : ` (and ${failed.length - 1} more of ${result.checks.length} checks failed)`;
  throw stepError({
    code: "setup/preflight-failed",
    message: `${first.title}: ${first.cause.replace(/\.$/, "")}${others}`,
    hint: first.next,
    retrySafe: failed.every((check) => check.retrySafe),
    fields: [...result.fields],
    evidence: failed.map((check) => ({ ref: check.code, text: describeFailure(check) })),
  });
}

function describeFailure(check: Check): string {
  const seen = check.evidence.map(({ ref, text }) => `${ref}: ${text}`);
  return [`${check.title}. ${check.cause}`, ...seen, ...(check.next === null ? [] : [`Next: ${check.next}`])].join(
    "\n",
  );
}

async function find(check: PreflightCheck, context: PreflightContext, signal: AbortSignal): Promise<Finding> {
  const limit = new AbortController();
  const cancel = context.clock.after(CHECK_MS, () => limit.abort());
  const gaveUp = new Promise<Finding>((resolve) => {
    limit.signal.addEventListener("abort", () => {
      const cause = `It could not be told within ${CHECK_MS / 1_000} s.`;
      resolve({
        ok: false,
        cause,
        evidence: [],
        next: "Look at the network and the load of this machine, then try again",
      });
    });
  });
  try {
    return await Promise.race([check.look(context, AbortSignal.any([signal, limit.signal])), gaveUp]);
  } catch (thrown) {
    return findingOf(thrown);
  } finally {
    cancel();
  }
}

function toCheck(check: PreflightCheck, finding: Finding | undefined): Check {
  const { code, title, retrySafe } = check;
  const common = {
    code,
    tier: "platform" as const,
    title,
    retrySafe,
    since: null,
    evidence: [...(finding?.evidence ?? [])],
  };
  if (finding === undefined || finding.ok) return { ...common, state: "ok", cause: "", next: null };
  const { cause, next } = finding;
  const told = { code: finding.code ?? code, title: finding.wrong ?? check.wrong };
  return { ...common, ...told, state: "failed", cause, next };
}
