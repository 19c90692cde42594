/** Claim, login and lockout of the mock box. */
import type { MockAnswer } from "./mock-answers.ts";

export const MOCK_TOKEN = "TESTTOKEN123";
export const MOCK_PASSWORD = "Orchid-Lamp-9-River";
export const MOCK_POLICY = { minLength: 8, rules: ["Use at least 8 characters.", "Use at least one digit."] };
const ATTEMPTS = 3;

type Kind = "claim" | "full";
type Body = Readonly<Record<string, string>>;

export interface MockSessions {
  kindOf(cookie: string | undefined): Kind | undefined;
  view(cookie: string | undefined, mode: "setup" | "status"): MockAnswer;
  logIn(body: Body): MockAnswer;
  claim(body: Body, cookie: string | undefined): MockAnswer;
  logOut(): MockAnswer;
  /** Headers of the answer to a setup link. */
  exchange(token: string): Record<string, string>;
}

export function createMockSessions(): MockSessions {
  const sessions = new Map<string, Kind>();
  let password: string | undefined;
  let failures = 0;
  const open = (kind: Kind): Record<string, string> => {
    const id = `s${Math.random().toString(36).slice(2)}`;
    sessions.set(id, kind);
    return { "set-cookie": `alga_appliance_session=${id}; HttpOnly; SameSite=Strict; Path=/` };
  };
  const kindOf = (cookie: string | undefined): Kind | undefined => sessions.get(cookie ?? "");
  return {
    kindOf,
    view: (cookie, mode) => ({
      status: 200,
      value: {
        claimed: password !== undefined,
        authenticated: kindOf(cookie) === "full",
        tokenAccepted: kindOf(cookie) === "claim",
        mode,
        rehearsal: true,
        secure: false,
        secureUrl: "https://127.0.0.1:8443/setup",
        passwordPolicy: MOCK_POLICY,
        problem: null,
      },
    }),
    logIn(body) {
      if (failures >= ATTEMPTS) return refuse(429, "Cannot listen: 3 wrong attempts, 30 s of rest are wanted");
      const right =
        body.token === undefined ? body.password === password : body.token === MOCK_TOKEN && password === undefined;
      failures = right ? 0 : failures + 1;
      if (!right) return refuse(401, "Cannot accept it: it is not the one of this box");
      return { status: 200, value: {}, headers: open(body.token === undefined ? "full" : "claim") };
    },
    claim(body, cookie) {
      if (kindOf(cookie) !== "claim") return refuse(401, "Cannot accept the setup token: there is none");
      const weak = { field: "password", code: "too-short", detail: "Use at least 8 characters." };
      if ((body.password ?? "").length < 8) return refuse(400, "Cannot use this password", [weak]);
      password = body.password;
      return { status: 200, value: {}, headers: open("full") };
    },
    logOut() {
      sessions.clear();
      return { status: 200, value: {} };
    },
    exchange: (token) =>
      token === MOCK_TOKEN && password === undefined
        ? { location: "/setup", ...open("claim") }
        : { location: "/setup?problem=wrong-token" },
  };
}

/** A problem document. */
export function refuse(status: number, detail: string, errors: readonly object[] = []): MockAnswer {
  return {
    status,
    value: { type: "urn:mock", title: detail, status, detail, code: "mock/refused", hint: "Look again", errors },
  };
}
