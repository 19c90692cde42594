/** Checks of the login page, by what a real request got: through its Service, and by the address that people type. */
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import { instantOrNull } from "../instant.ts";
import { FRESH_MS, type LoginAnswer, type LoginOutcome } from "../observation.ts";
import type { View } from "../view.ts";
import { type CheckRule, type Explains, type Finding, type RuleWords, wordsOf } from "./rule.ts";

const NO_LOGIN: readonly Explains[] = [{ codes: ["operation/*"], where: "any" }];

interface Row extends RuleWords {
  readonly outcomes: readonly LoginOutcome[];
  readonly headline: string;
  readonly says: string;
  /** What the box itself sees by the public name may differ from what people see. */
  readonly fromOutside?: "unknown" | "full";
}

const ROWS: readonly Row[] = [
  {
    code: "login/name-not-resolved",
    outcomes: ["no-such-name"],
    title: "The public name resolves",
    about: "The name servers that the box asks do not know the name that people type.",
    next: "Add the name to your name servers, with the address of this box",
    retrySafe: true,
    headline: "the name of the login page does not resolve",
    says: "The name of the login page does not resolve.",
    fromOutside: "full",
  },
  {
    code: "login/refused",
    outcomes: ["refused"],
    title: "Something listens where people log in",
    about: "The address of the login page refuses connections.",
    next: "Look at the pod of the application; by the public address, look at the proxy in front of it",
    retrySafe: true,
    headline: "the login page does not answer",
    says: "The login page refuses connections.",
  },
  {
    code: "login/no-answer",
    outcomes: ["no-answer"],
    title: "The login page answers in time",
    about: "The login page does not answer within ten seconds.",
    next: "Look at the log of the application and at the load of the box",
    retrySafe: true,
    headline: "the login page does not answer",
    says: "The login page does not answer in time.",
    fromOutside: "unknown",
  },
  {
    code: "login/server-error",
    outcomes: ["server-error"],
    title: "The login page answers without an error",
    about: "The application, or a proxy in front of it, answers with a server error.",
    next: "Look at the log of the application",
    retrySafe: true,
    headline: "the application answers with an error",
    says: "The login page answers with an error.",
  },
  {
    code: "login/client-error",
    outcomes: ["client-error"],
    title: "The address of the login page exists",
    about: "The address is answered with 4xx: nobody serves it, or a proxy denies it.",
    next: "Check the application address in the answers, and the proxy in front of the application",
    retrySafe: true,
    headline: "the login page is not found at its address",
    says: "The login page is not at its address.",
  },
  {
    code: "login/redirect-loop",
    outcomes: ["redirect-loop"],
    title: "The way to the login page ends",
    about: "Redirects go round in a circle: mostly the application and a proxy disagree about http and https.",
    next: "Make the application address and the proxy agree about http or https",
    retrySafe: false,
    headline: "the login page redirects in a circle",
    says: "The login page redirects in a circle.",
  },
  {
    code: "login/foreign-redirect",
    outcomes: ["foreign-redirect"],
    title: "The way to the login page stays on this appliance",
    about: "The address redirects to another site, so people do not reach this application.",
    next: "Check the application address in the answers, and what answers at it",
    retrySafe: false,
    headline: "the login page sends people to another site",
    says: "The login page sends people to another site.",
  },
  {
    code: "login/wrong-page",
    outcomes: ["wrong-page"],
    title: "The page that answers is the login page",
    about: "Something answers with 200, but it is no page with a login form.",
    next: "Check what answers at this address: another web server, a proxy's own page, or an application that has not started",
    retrySafe: true,
    headline: "another page answers instead of the login page",
    says: "What answers is not the login page.",
  },
  {
    code: "login/broken",
    outcomes: ["broken"],
    title: "What answers speaks HTTP",
    about: "The connection breaks, or what answers does not speak HTTP.",
    next: "Check what listens at this address",
    retrySafe: true,
    headline: "the login page does not answer properly",
    says: "What answers does not speak HTTP.",
  },
];

export const LOGIN_CHECKS: readonly CheckRule[] = [
  {
    code: "login/certificate",
    tier: "login",
    title: "Browsers accept the certificate of the login page",
    about: "The certificate has expired, is not yet valid, is for another name, or is not trusted.",
    next: "Put a valid certificate for this name on the proxy in front of the application",
    retrySafe: false,
    needs: [],
    doubt: loginDoubt,
    explains: NO_LOGIN,
    find: findCertificate,
  },
  {
    code: "login/certificate-ends",
    tier: "full",
    title: "The certificate of the login page is valid for weeks",
    about: "The certificate ends within two weeks; after that browsers turn people away.",
    next: "Renew the certificate before it ends",
    retrySafe: true,
    needs: [],
    doubt: loginDoubt,
    find: findEnding,
  },
  ...ROWS.map(
    (row): CheckRule => ({
      ...wordsOf(row),
      tier: "login",
      needs: [],
      doubt: loginDoubt,
      explains: NO_LOGIN,
      find: (view) => findRow(view, row),
    }),
  ),
];

/** The page is asked every few seconds; the answer from before it was ready must not outlive it. */
const START_MS = 15_000;
const SOON_MS = 14 * 24 * 3_600_000;

/** Answers that still count, with the way they were got. Nothing is asked of a page that is not installed yet. */
export function freshAnswers(view: View): readonly (readonly ["service" | "public", LoginAnswer])[] {
  const { login } = view.seen;
  if (login === null) return [];
  const both = [
    ["service", login.service],
    ["public", login.public],
  ] as const;
  return both.flatMap(([way, answer]) =>
    answer !== undefined && view.nowMs - answer.atMs <= FRESH_MS.login ? [[way, answer] as const] : [],
  );
}

/** Why nothing is known of the login page. */
function loginDoubt(view: View): string | undefined {
  if (freshAnswers(view).length > 0) return undefined;
  return view.seen.login === null ? "The login page has not been asked" : "The login page was not asked lately";
}

/** The application must exist before the silence of its page is news. */
function isExpected(view: View): boolean {
  return view.workloads.some((workload) => workload.spec.tier === "login" && workload.state !== "absent");
}

function findRow(view: View, row: Row): Finding[] {
  if (!isExpected(view)) return [];
  const answers = freshAnswers(view);
  const byService = answers.find(([way]) => way === "service")?.[1];
  return answers
    .filter(([, answer]) => row.outcomes.includes(answer.outcome))
    .map(([way, answer]) => finding(view, row, { way, answer, inside: byService?.outcome === "login-page" }));
}

function finding(
  view: View,
  row: Row,
  at: { readonly way: "service" | "public"; readonly answer: LoginAnswer; readonly inside: boolean },
): Finding {
  const { way, answer } = at;
  const outside = way === "public" && at.inside;
  const where = way === "service" ? "inside the cluster" : "by the address that people type";
  const starting = isStarting(view);
  const hops = answer.hops === undefined || answer.hops.length === 0 ? "" : `\n${answer.hops.join("\n")}`;
  return {
    scope: { component: loginComponent(view) },
    ...(outside && row.fromOutside !== undefined ? { tier: "full" as const } : {}),
    state: outside && row.fromOutside === "unknown" ? "unknown" : starting ? "progressing" : "failed",
    headline: outside ? `${row.headline} at its public address` : row.headline,
    title: row.says,
    cause: `${oneLine(answer.url, 200)} was asked ${where}; it has been so for ${ageText(view.nowMs - answer.sinceMs)}.`,
    ...(starting ? {} : { label: "Login fails" }),
    evidence: [evidence(`GET ${answer.url}`, `${answer.text}${hops}`)],
    sinceMs: answer.sinceMs,
  };
}

/** Silence before an application has come up, and for some seconds after, is no failure of the page. */
function isStarting(view: View): boolean {
  return view.workloads.some(
    ({ spec, state, sinceMs }) =>
      spec.tier === "login" &&
      (state === "progressing" || (state === "ready" && sinceMs !== undefined && view.nowMs - sinceMs < START_MS)),
  );
}

function loginComponent(view: View): string | undefined {
  return view.workloads.find((workload) => workload.spec.tier === "login")?.component.name;
}

function findCertificate(view: View): Finding[] {
  return freshAnswers(view).flatMap(([way, answer]) => {
    if (answer.outcome !== "certificate") return [];
    const { headline, title, failed } = certificateWords(view, answer);
    const inside = view.seen.login?.service?.outcome === "login-page";
    return [
      {
        scope: { component: loginComponent(view) },
        state: failed || !inside || way === "service" ? ("failed" as const) : ("unknown" as const),
        headline,
        title,
        cause: `Browsers warn people at ${oneLine(answer.url, 200)} or turn them away.`,
        label: "Certificate",
        evidence: [evidence(`Certificate of ${answer.url}`, certificateText(answer))],
        sinceMs: answer.sinceMs,
      },
    ];
  });
}

/** A private authority may be known to people's browsers and not to this box; an expiry is the same for everybody. */
function certificateWords(view: View, answer: LoginAnswer): { headline: string; title: string; failed: boolean } {
  const certificate = answer.certificate;
  const words = (what: string) => ({
    headline: `the certificate of the login page ${what}`,
    title: `The certificate of the login page ${what}.`,
  });
  if (certificate === undefined) return { ...words("is not accepted"), failed: false };
  if (certificate.validToMs < view.nowMs) return { ...words("has expired"), failed: true };
  if (certificate.validFromMs > view.nowMs) return { ...words("is not valid yet"), failed: true };
  if (/altname|hostname|does not match|IP address mismatch/i.test(certificate.problem ?? answer.text)) {
    return { ...words("is for another name"), failed: true };
  }
  return { ...words("is not trusted by this box"), failed: false };
}

function certificateText(answer: LoginAnswer): string {
  const certificate = answer.certificate;
  if (certificate === undefined) return answer.text;
  return [
    certificate.problem ?? answer.text,
    `subject ${certificate.subject}, issuer ${certificate.issuer}`,
    `names ${certificate.names.slice(0, 20).join(", ")}`,
    `valid from ${instantOrNull(certificate.validFromMs) ?? "?"} to ${instantOrNull(certificate.validToMs) ?? "?"}`,
  ].join("\n");
}

function findEnding(view: View): Finding[] {
  return freshAnswers(view).flatMap(([, answer]) => {
    const endsMs = answer.certificate?.validToMs;
    if (endsMs === undefined || endsMs < view.nowMs || endsMs - view.nowMs > SOON_MS) return [];
    return [
      {
        scope: { component: loginComponent(view) },
        headline: `the certificate of the login page ends in ${ageText(endsMs - view.nowMs)}`,
        title: `The certificate of the login page ends in ${ageText(endsMs - view.nowMs)}.`,
        cause: "After that browsers turn people away.",
        evidence: [evidence(`Certificate of ${answer.url}`, certificateText(answer))],
      },
    ];
  });
}
