/** The state behind the mock server: sessions, answers, status, one installation. */
import type { ServerResponse } from "node:http";
import type { ApplianceStatus, OperationView } from "../../ui/state/wire.ts";
import { createMockAdvice } from "./mock-advice.ts";
import type { MockAnswer } from "./mock-answers.ts";
import { CHANNELS, initialStatus, planOf, statusDuring, wrongAnswers } from "./mock-data.ts";
import { createMockEvents } from "./mock-inventory.ts";
import { createMockLogs, type MockLogs } from "./mock-logs.ts";
import { createMockRun, type MockRun, type RunOptions } from "./mock-run.ts";
import { createMockSessions, MOCK_POLICY, type MockSessions, refuse } from "./mock-sessions.ts";
import { createMockStreams } from "./mock-streams.ts";
import { createMockUpdates, type MockUpdates } from "./mock-updates.ts";

export type MockOptions = RunOptions;

interface Call {
  readonly body?: Readonly<Record<string, string>> | undefined;
  readonly cookie: string | undefined;
}

export interface MockBox {
  exchange(token: string): Record<string, string>;
  call(route: string, call: Call): MockAnswer;
  openStream(response: ServerResponse, cookie: string | undefined): void;
  /** Follows a log; `lastId` as EventSource sends it. */
  openLog(
    response: ServerResponse,
    who: { readonly cookie: string | undefined; readonly lastId: string | undefined },
  ): void;
  readonly logs: MockLogs;
  /** Kubernetes tells of one thing more. */
  addEvent(message: string): void;
  readonly updates: MockUpdates;
  /** Ends every session, as another tab or the box itself may. */
  endSessions(): void;
  closeStreams(): void;
  /** While true, requests for the stream are refused with 503. */
  refuseStreams(refused: boolean): void;
  /** Shows this status and tells it to every stream. */
  show(status: ApplianceStatus): void;
  operation(): OperationView | undefined;
  /** Bodies that were posted to /api/setup. */
  readonly posted: Readonly<Record<string, string>>[];
  stop(): void;
}

export function createMockBox(options: MockOptions): MockBox {
  const sessions = createMockSessions();
  const streams = createMockStreams();
  const events = createMockEvents();
  const advise = createMockAdvice(events);
  const logs = createMockLogs();
  const updates = createMockUpdates();
  const posted: Readonly<Record<string, string>>[] = [];
  let status = initialStatus();
  let refused = false;
  const show = (next: ApplianceStatus): void => {
    status = next;
    streams.publish("status", next);
  };
  const run = createMockRun(options, {
    operation: (view) => {
      streams.publish("operation", view);
      show(statusDuring(status, view));
    },
    journal: (operationId, entry) => streams.publish("journal", { operationId, entry }),
  });
  return {
    posted,
    show,
    operation: run.view,
    exchange: sessions.exchange,
    call: (route, call) =>
      callSession(sessions, run, route, call) ??
      (sessions.kindOf(call.cookie) === "full"
        ? (advise(route, call.body ?? {}) ??
          updates.answer(route, call.body ?? {}) ??
          callSetup(run, posted, route, call) ??
          callState(run, status, route))
        : refuse(401, "Cannot go on: log in first")),
    openStream(response, cookie) {
      if (refused) response.writeHead(503).end();
      else if (sessions.kindOf(cookie) === "full") streams.open(response);
      else response.writeHead(401).end();
    },
    openLog(response, { cookie, lastId }) {
      if (sessions.kindOf(cookie) === "full") logs.open(response, lastId);
      else response.writeHead(401).end();
    },
    logs,
    addEvent: events.add,
    updates,
    endSessions() {
      sessions.logOut();
      streams.close();
    },
    closeStreams() {
      streams.close();
      logs.cut();
    },
    refuseStreams: (next) => {
      refused = next;
    },
    stop: run.stop,
  };
}

function callSession(
  sessions: MockSessions,
  run: MockRun,
  route: string,
  { body = {}, cookie }: Call,
): MockAnswer | undefined {
  switch (route) {
    case "GET /api/session":
      return sessions.view(cookie, run.view()?.state === "done" ? "status" : "setup");
    case "POST /api/session":
      return sessions.logIn(body);
    case "POST /api/session/claim":
      return sessions.claim(body, cookie);
    case "DELETE /api/session":
      return sessions.logOut();
    default:
      return undefined;
  }
}

function callSetup(
  run: MockRun,
  posted: Readonly<Record<string, string>>[],
  route: string,
  { body = {} }: Call,
): MockAnswer | undefined {
  if (route === "GET /api/setup/config") return { status: 200, value: configOf(run, posted.at(-1)) };
  if (route !== "POST /api/setup/plan" && route !== "POST /api/setup") return undefined;
  const errors = wrongAnswers(body, { needsPassword: route === "POST /api/setup" && posted.length === 0 });
  if (errors.length > 0) return refuse(400, "Cannot use the answers", errors);
  if (route === "POST /api/setup/plan") return { status: 200, value: planOf(body) };
  posted.push(body);
  return { status: 202, value: { operation: run.start() } };
}

function callState(run: MockRun, status: ApplianceStatus, route: string): MockAnswer {
  const operation = run.view();
  if (route === "GET /api/status") return { status: 200, value: status };
  if (route === "GET /api/operations")
    return { status: 200, value: { operations: operation === undefined ? [] : [operation] } };
  const [, id, verb] = /\/api\/operations\/([^/]+)\/?(\w*)$/.exec(route) ?? [];
  if (operation === undefined || operation.id !== id) return refuse(404, "Cannot find it: there is none");
  const ended = operation.state === "cancelled" || operation.state === "done";
  if (verb !== "" && ended) return refuse(409, "Cannot go on with the operation: it has ended");
  if (verb === "resume") run.resume();
  if (verb === "cancel") run.cancel();
  return { status: verb === "" ? 200 : 202, value: { operation: run.view(), journal: run.journal() } };
}

/** What was posted is kept: the answers are shown again, the secrets by their names only. */
function configOf(run: MockRun, kept: Readonly<Record<string, string>> = {}): object {
  const { adminPassword, adminPasswordConfirm: _, planDigest: __, ...answers } = kept;
  return {
    mode: "setup",
    rehearsal: true,
    defaults: { channel: "stable", ...answers },
    secretsKept: adminPassword === undefined ? [] : ["adminPassword"],
    network: { addresses: ["192.168.10.20"], resolvers: ["192.168.10.1", "192.168.10.2"] },
    channels: CHANNELS,
    registry: "registry.example",
    channelsProblem: null,
    passwordPolicy: MOCK_POLICY,
    operation: run.view() ?? null,
  };
}
