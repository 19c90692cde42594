/** Checks of names: whether name servers answer at all, and whether the name that people type leads to this box. */
import { listAt, textAt } from "../../kube/model.ts";
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import { type DnsAnswer, FRESH_MS, type LoginOutcome } from "../observation.ts";
import type { View } from "../view.ts";
import { dnsDoubt } from "./doubt.ts";
import { isRegistryNeeded } from "./network.ts";
import type { CheckRule, Finding } from "./rule.ts";

export const NAME_CHECKS: readonly CheckRule[] = [
  {
    code: "network/name-servers",
    tier: "full",
    title: "The name servers of the box answer",
    about: "No name server of the box answers, so nothing outside can be found by its name.",
    next: "Put in name servers that answer: resolvectl status shows the present ones",
    retrySafe: true,
    needs: [],
    explains: [
      {
        codes: [
          "registry/no-such-name",
          "registry/no-answer",
          "registry/refused",
          "login/name-not-resolved",
          "image/registry-name",
          "image/network",
          "flux/source-network",
          "operation/*",
        ],
        where: "any",
      },
    ],
    doubt: dnsDoubt,
    find: findSilentServers,
  },
  {
    code: "network/name-elsewhere",
    tier: "full",
    title: "The name that people type leads to this box",
    about:
      "The name of the login page has the address of another machine, and what answers there is not this application.",
    next: "Give the name the address of this box in your name servers, or set up the proxy at the other address",
    retrySafe: true,
    needs: [],
    explains: [{ codes: ["login/*"], where: "any" }],
    doubt: dnsDoubt,
    find: findElsewhere,
  },
];

function answersIn({ seen, nowMs }: View): readonly DnsAnswer[] {
  return seen.dns === null || nowMs - seen.dns.atMs > FRESH_MS.dns ? [] : seen.dns.answers;
}

/** One name that is not answered may be the fault of whoever serves that name; when none is, it is the servers. */
function findSilentServers(view: View): Finding[] {
  const answers = answersIn(view);
  const [first] = answers;
  if (first === undefined || answers.some((one) => one.state !== "no-answer")) return [];
  const servers = (view.seen.dns?.servers ?? []).join(", ");
  const sinceMs = Math.min(...answers.map((one) => one.sinceMs));
  return [
    {
      scope: {},
      ...(isRegistryNeeded(view) ? { tier: "platform" as const } : {}),
      headline: "no name server of the box answers",
      title: "No name server of the box answers.",
      cause: `${servers === "" ? "None is set" : `Asked: ${servers}`}; it has been so for ${ageText(view.nowMs - sinceMs)}.`,
      evidence: answers.map((one) => evidence(one.name, one.text)),
      sinceMs,
    },
  ];
}

/** What says nothing against the other machine: a certificate that is refused hides who answers, often a proxy of a private authority. */
const NO_STRANGER: ReadonlySet<LoginOutcome> = new Set(["login-page", "certificate"]);

/** A proxy at another address is fine as long as the login page answers by the name. */
function findElsewhere(view: View): Finding[] {
  const answer = answersIn(view).find((one) => one.use === "login" && one.state === "resolves");
  const page = view.seen.login?.public;
  const isAsked = page !== undefined && view.nowMs - page.atMs <= FRESH_MS.login && !NO_STRANGER.has(page.outcome);
  const own = ownAddresses(view);
  if (answer === undefined || !isAsked || own.length === 0) return [];
  if (answer.addresses.some((address) => own.includes(address))) return [];
  const elsewhere = answer.addresses.join(", ");
  return [
    {
      scope: {},
      headline: `the name ${oneLine(answer.name, 80)} leads to another machine`,
      title: `The name ${oneLine(answer.name, 120)} leads to another machine.`,
      cause: `It has the address ${elsewhere}; this box has ${own.slice(0, 4).join(", ")}. What answers there: ${oneLine(page.text, 160)}.`,
      evidence: [evidence(answer.name, elsewhere)],
      sinceMs: answer.sinceMs,
    },
  ];
}

/** Addresses of the box: its own view, and that of Kubernetes, because a pod has addresses that nobody outside knows. */
function ownAddresses(view: View): readonly string[] {
  const nodes = view.items("nodes").flatMap((node) =>
    listAt(node, "status", "addresses")
      .filter((one) => ["InternalIP", "ExternalIP"].includes(textAt(one, "type") ?? ""))
      .flatMap((one) => textAt(one, "address") ?? []),
  );
  return [...new Set([...nodes, ...view.seen.appliance.addresses])].map((one) => oneLine(one, 80));
}
