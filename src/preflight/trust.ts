/**
 * Preflight of trust: what this box believes can be read, and the release verifies by it.
 *
 * A box without keys is warned, not refused: then the registry decides, and every screen says "unverified". A registry that
 * does not answer is told by the checks of the network. What fails later in the run is refused again by the step that reads it.
 */
import { ApplianceError, ERROR_CODES } from "../core/errors.ts";
import type { Evidence } from "../core/evidence.ts";
import { type ReleaseTrust, readableTrust } from "../release/trust.ts";
import { type Finding, findingOf, type PreflightCheck, type PreflightContext } from "./check.ts";

export const TRUST_CHECKS: readonly PreflightCheck[] = [
  {
    code: "trust/release",
    title: "The release is one that this box believes",
    wrong: "The release is none that this box believes",
    retrySafe: false,
    look: release,
  },
];

async function release(context: PreflightContext, signal: AbortSignal): Promise<Finding> {
  let trust: ReleaseTrust | undefined;
  try {
    trust = await readableTrust(context.registry.trust);
    if (trust === undefined) return { ok: true, warning: "release unverified", evidence: [believedOf(trust)] };
    return await judge(context, trust, signal);
  } catch (thrown) {
    return explain(thrown, trust, context);
  }
}

async function judge(context: PreflightContext, trust: ReleaseTrust, signal: AbortSignal): Promise<Finding> {
  const { verifiedBy, accepted, goodUntil, manifest } = await context.find(signal);
  const isVerified = verifiedBy !== "none";
  const by = isVerified ? `verified by key ${verifiedBy.slice(0, 12)}` : "unsigned, allowed by trust.allowUnsigned";
  const evidence: readonly Evidence[] = [
    believedOf(trust),
    { ref: `release ${manifest.version}`, text: by },
    ...(goodUntil === undefined ? [] : [{ ref: "signed metadata", text: accepted ?? `good until ${goodUntil}` }]),
  ];
  const warning = isVerified ? accepted : "release unverified";
  return { ok: true, evidence, ...(warning === undefined ? {} : { warning }) };
}

function believedOf(trust: ReleaseTrust | undefined): Evidence {
  const names = (trust?.keys ?? []).map(({ id }) => `key ${id.slice(0, 12)}`);
  const all = trust?.root === undefined ? names : [...names, "a root document"];
  return { ref: "what this box trusts", text: all.length === 0 ? "no key and no root document" : all.join(", ") };
}

/** What the trust codes mean for the answers. Other failures belong to other checks, or to the step that resolves the release. */
function explain(
  thrown: unknown,
  trust: ReleaseTrust | undefined,
  { answersAgainst }: Pick<PreflightContext, "answersAgainst">,
): Finding {
  if (!(thrown instanceof ApplianceError)) throw thrown;
  const { code } = thrown;
  if (!/^(?:trust|file)\//.test(code)) return { ok: true, evidence: [{ ref: code, text: "could not be asked yet" }] };
  const told = { ...findingOf(thrown), code, wrong: ERROR_CODES[code].about };
  // Keys and root that cannot be read are no matter of the answers.
  if (trust === undefined) return { ...told, evidence: [] };
  return { ...told, evidence: [believedOf(trust)], fields: answersAgainst(code) };
}
