/** What the mock box answers beside the installation: the rehearsal's failures, and how the name servers answer. */

import { SCENARIOS } from "../../src/rehearsal/faults.ts";
import { guideLines, guidePage } from "../../src/status/guide.ts";
import type { NameServerReport, RehearsalView } from "../../ui/state/wire.ts";
import type { MockAnswer } from "./mock-answers.ts";
import {
  type MockEvents,
  mockClaims,
  mockInventory,
  mockLog,
  mockMaintenance,
  mockSamples,
  mockSessions,
} from "./mock-inventory.ts";
import { MOCK_PASSWORD } from "./mock-sessions.ts";
import { createMockSettings } from "./mock-settings.ts";

type Body = Readonly<Record<string, string>>;

const ANSWERS: Readonly<Record<string, (body: Body) => unknown>> = {
  "GET /api/inventory": mockInventory,
  "GET /api/sessions": () => ({ sessions: mockSessions() }),
  "DELETE /api/sessions": () => ({ ended: 1 }),
  "GET /api/claims": () => ({ claims: mockClaims() }),
  "GET /api/host/history": () => ({ samples: mockSamples() }),
  "GET /api/host/maintenance": mockMaintenance,
  "POST /api/setup/name-servers": reportOf,
};

type Answer = (route: string, body: Body) => MockAnswer | undefined;

/** What the mock box answers beside the installation; the first that knows the route does. */
export function createMockAdvice(events: MockEvents): Answer {
  const answers: readonly Answer[] = [
    (route) => (route === "GET /api/cluster-events" ? { status: 200, value: events.list() } : undefined),
    createMockSettings(),
    (route, body) => (route === "POST /api/session/password" ? changePassword(body) : undefined),
    (route) => (/^GET \/api\/pods\/[^/]+\/[^/]+\/log$/.test(route) ? { status: 200, value: mockLog() } : undefined),
    (route) => (route.startsWith("GET /api/checks/") ? explain(route.slice("GET /api/checks/".length)) : undefined),
    (route, body) => {
      const answer = ANSWERS[route];
      return answer === undefined ? undefined : { status: 200, value: answer(body) };
    },
    createMockStage(),
  ];
  return (route, body) => {
    for (const answer of answers) {
      const found = answer(route, body);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** Remembers which failure was played; nothing of the mock box follows it. */
function createMockStage(): Answer {
  let scenario: string | null = null;
  return (route, body) => {
    if (route === "POST /api/rehearsal") scenario = body.scenario ?? null;
    else if (route !== "GET /api/rehearsal") return undefined;
    const scenarios = SCENARIOS.map(({ name, title, about, mend }) => ({ name, title, about, mend }));
    return { status: 200, value: { scenario, scenarios } satisfies RehearsalView };
  };
}

/** The guide of the product itself. */
function explain(code: string): MockAnswer {
  const page = guidePage(code);
  if (page === undefined) return { status: 404, value: problemOf("http/not-found", []) };
  return { status: 200, value: { ...page, lines: guideLines(page) } };
}

/** The old one must be right, the new one long. */
function changePassword({ password, next = "" }: Body): MockAnswer {
  if (password !== MOCK_PASSWORD) return { status: 401, value: problemOf("session/wrong-password", []) };
  if (next.length >= 8) return { status: 200, value: { state: "authenticated" } };
  const errors = [{ field: "password", code: "too-short", detail: "Use at least 8 characters." }];
  return { status: 400, value: problemOf("session/weak-password", errors) };
}

function problemOf(code: string, errors: readonly object[]): object {
  return { code, status: 400, title: "", detail: "Cannot log in: the password is wrong", errors };
}

/** The second server is dead; `.con` is nobody's ending. */
function reportOf({ appHostname, dnsMode, dnsServers = "" }: Body): NameServerReport {
  const addresses = dnsMode === "custom" ? dnsServers.split(/[,\s]+/) : ["192.168.10.1", "192.168.10.2"];
  const servers = addresses
    .filter((address) => address !== "")
    .map((address, index) =>
      index === 0
        ? { address, state: "works" as const, tookMs: 3, text: "answers" }
        : { address, state: "no-answer" as const, tookMs: 1_500, text: "no answer within 1.5 s" },
    );
  const question = "registry.example";
  if (appHostname === undefined) return { question, servers, application: null };
  const known = !appHostname.endsWith(".con");
  const application = {
    name: appHostname,
    state: known ? ("works" as const) : ("no-such-name" as const),
    addresses: known ? ["192.168.10.20"] : [],
    leadsHere: known,
    suggestion: known ? null : appHostname.replace(/con$/, "com"),
  };
  return { question, servers, application };
}
