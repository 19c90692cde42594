/** What recover tells: what is wrong and what it will do, and at the end what works now and what does not. Pure. */
import type { OperationView } from "../operation/model.ts";
import type { Diagnosis } from "./recover.ts";
import type { Finding } from "./recover-findings.ts";
import type { Seen } from "./recover-look.ts";

/** The diagnosis for people. */
export function diagnosisText(findings: readonly Finding[]): string {
  if (findings.length === 0) return "Nothing is wrong that can be seen.";
  const many = findings.length === 1 ? "One thing is wrong" : `${findings.length} things are wrong`;
  return [`${many}:`, ...findings.map(findingText)].join("\n\n");
}

function findingText({ title, cause, evidence, mend, next }: Finding, index: number): string {
  const shown = evidence.slice(0, 5).map(({ ref, text }) => `   ${ref}: ${text}`);
  const more = evidence.length > 5 ? [`   and ${evidence.length - 5} more`] : [];
  return [
    `${index + 1}. ${title}. ${cause}`,
    ...shown,
    ...more,
    `   Recover: ${mend ?? "it cannot mend this."}`,
    ...(next === null ? [] : [`   You: ${next}`]),
  ].join("\n");
}

/** The end of a recover as a document. */
export interface RecoverReport {
  readonly schema: "alga.appliance.recover/v1";
  readonly state: OperationView["state"];
  readonly operation: string;
  /** What was wrong before. */
  readonly before: readonly Finding[];
  /** What each step did. */
  readonly steps: readonly {
    readonly id: string;
    readonly title: string;
    readonly state: string;
    readonly detail: string | null;
  }[];
  readonly works: readonly string[];
  /** What still is wrong. */
  readonly left: readonly Finding[];
  /** The problem that it stopped at, null when it came to its end. */
  readonly problem: { readonly code: string; readonly message: string; readonly hint: string | null } | null;
  readonly next: string;
}

/** Makes the report of an ended run from a second look. */
export function reportOf(
  view: OperationView,
  about: {
    readonly before: readonly Finding[];
    readonly after: Diagnosis;
    readonly claimed: boolean;
    readonly port: number;
    readonly addresses: readonly string[];
  },
): RecoverReport {
  const { before, after } = about;
  const problem = view.problem === null ? null : { ...view.problem };
  return {
    schema: "alga.appliance.recover/v1",
    state: view.state,
    operation: view.id,
    before,
    steps: view.steps.map(({ id, title, state, detail }) => ({ id, title, state, detail })),
    works: worksNow(after.seen),
    left: after.findings,
    problem: problem === null ? null : { code: problem.code, message: problem.message, hint: problem.hint },
    next: nextStep(view, about),
  };
}

/** What can be relied on now. */
function worksNow({ isBox, cluster, controlPlane, state, payload }: Seen): readonly string[] {
  const unreadable = state.filter(({ kind }) => kind !== "torn");
  const { running } = controlPlane;
  return [
    ...(unreadable.length === 0 ? ["The state folder can be read"] : []),
    ...(isBox && payload.controlPlaneArchives > 0 ? ["The payload holds a control plane for the next boot"] : []),
    ...(cluster.state === "ready" ? ["Kubernetes runs, and its node is ready"] : []),
    ...(controlPlane.answers && running !== undefined && running !== null
      ? [`The control plane answers: ${running.image}${running.version === null ? "" : `, version ${running.version}`}`]
      : []),
  ];
}

function nextStep(
  view: OperationView,
  about: {
    readonly after: Diagnosis;
    readonly claimed: boolean;
    readonly port: number;
    readonly addresses: readonly string[];
  },
): string {
  const { after, claimed, addresses, port } = about;
  if (!after.seen.isBox) return "Boot the box from this disk: its bootstrap does the rest.";
  if (view.problem !== null)
    return view.problem.hint ?? "Mend what the problem names, then run recover again: it goes on there.";
  const left = after.findings.find(({ next }) => next !== null);
  if (left?.next != null) return left.next;
  if (!after.seen.controlPlane.answers) return "Run recover again; when it stays so: alga-appliance status.";
  const [address = "127.0.0.1"] = addresses;
  const host = address.includes(":") ? `[${address}]` : address;
  return `Open http://${host}:${port}${claimed ? " and log in." : " and claim the appliance with the token that the console shows."}`;
}

/** Details of steps that found nothing to do: left out for people. */
const NOTHING: ReadonlySet<string> = new Set(["All as it should be", "All files can be read", "None was there"]);

/** The report for people. */
export function reportText({ works, left, problem, next, steps }: RecoverReport): string {
  const did = steps.filter(({ state, detail }) => state === "done" && detail !== null && !NOTHING.has(detail));
  return [
    "What was done:",
    ...did.map(({ title, detail }) => `  ${title}: ${detail}`),
    "",
    works.length === 0 ? "Nothing of the appliance works yet." : "What works now:",
    ...works.map((line) => `  ${line}`),
    ...(left.length === 0 ? [] : ["", "What does not:", ...left.map(({ title, cause }) => `  ${title}. ${cause}`)]),
    ...(problem === null ? [] : ["", `It stopped: ${problem.message}`]),
    "",
    `Next: ${next}`,
  ].join("\n");
}
