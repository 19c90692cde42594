/**
 * `/api/session` and the setup link: login, logout, claim, and what a page must know before anybody is logged in.
 *
 * Tokens and passwords arrive here and become `Secret` at once. They are never logged and never part of an answer.
 */
import { z } from "zod";
import { ApplianceError, type ErrorCode, isApplianceError, publicError } from "../core/errors.ts";
import { type FieldProblem, json, type Route, type RouteRequest } from "../core/http.ts";
import { PASSWORD_POLICY } from "../core/password-policy.ts";
import type { Deps } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { assertUnclaimed, type Claim } from "./claim.ts";
import type { Claims } from "./claims.ts";
import type { Lockout } from "./lockout.ts";
import { isSecure, type Sessions } from "./sessions.ts";

/** What the routes of claim, login and logout work with. Passwords and tokens pass through and are never logged. */
export interface SessionEdge {
  readonly sessions: Sessions;
  readonly claim: Claim;
  readonly claims: Claims;
  readonly lockout: Lockout;
  readonly mode: () => "setup" | "status";
  readonly rehearsal: boolean;
  /** Port of the page over TLS; null while there is none. */
  readonly securePort: () => number | null;
  /** Told after sessions ended, so that open event streams are looked at. */
  readonly onRevoked: () => void;
  /** Told after the appliance got its owner. */
  readonly onClaimed?: () => void;
  readonly log: Deps["log"];
}

const text = z.string().min(1).max(1_024);
const loginSchema = z.union([z.strictObject({ token: text }), z.strictObject({ password: text })]);
const changeSchema = z.strictObject({ password: text, next: text });
const claimSchema = z.strictObject({ token: text.optional(), password: text });

/** The routes by which a person gets in and out; wrong guesses are counted by peer before they are judged. */
export function sessionRoutes(edge: SessionEdge): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/session",
      access: "public",
      summary: "Tells whether the appliance is claimed and whether the caller is logged in",
      handle: (request) => view(edge, request),
    },
    {
      method: "POST",
      path: "/api/session",
      access: "public",
      summary: "Logs in with the password; before the claim, takes the setup token and gives a claim session",
      handle: (request) => logIn(edge, request),
    },
    {
      method: "POST",
      path: "/api/session/claim",
      access: "public",
      summary: "Sets the management password with the setup token or a claim session, once, and logs in",
      handle: (request) => claimAppliance(edge, request),
    },
    {
      method: "POST",
      path: "/api/session/password",
      access: "session",
      summary: "Changes the management password; every session ends but the caller's new one",
      handle: (request) => changePassword(edge, request),
    },
    {
      method: "GET",
      path: "/api/sessions",
      access: "session",
      summary: "The open sessions: their age and last use",
      handle: async ({ request }) => json({ sessions: await edge.sessions.list(request) }),
    },
    {
      method: "GET",
      path: "/api/claims",
      access: "session",
      summary: "Who claimed the box, and whose later claims were refused; oldest first",
      handle: async () => json({ claims: await edge.claims.list() }),
    },
    {
      method: "DELETE",
      path: "/api/sessions",
      access: "session",
      summary: "Ends every session but the caller's",
      handle: (request) => endOthers(edge, request),
    },
    {
      method: "DELETE",
      path: "/api/session",
      access: "session",
      summary: "Logs out: the session ends on the server",
      handle: (request) => logOut(edge, request),
    },
  ];
}

/**
 * Exchanges the token of a setup link for a claim session and sends the browser on, without the token.
 *
 * @returns 303 to `/setup`, with `?problem=` wrong-token, locked, claimed or unavailable where there is one.
 */
export async function exchangeLink(edge: SessionEdge, request: RouteRequest, token: string): Promise<Response> {
  try {
    return redirect("/setup", await startClaimSession(edge, request, token));
  } catch (thrown) {
    edge.log.info("setup link refused", { peer: request.peer, code: publicError(thrown).code });
    const known: Partial<Record<ErrorCode, string>> = {
      "session/wrong-token": "wrong-token",
      "session/locked": "locked",
      "session/already-claimed": "claimed",
    };
    return redirect(`/setup?problem=${known[publicError(thrown).code] ?? "unavailable"}`);
  }
}

async function view(edge: SessionEdge, { request, url }: RouteRequest): Promise<Response> {
  const [found, session] = await Promise.all([edge.claim.credential(), edge.sessions.find(request)]);
  const problem = found.state === "unusable" ? publicError(found.problem) : undefined;
  return json({
    claimed: found.state !== "none",
    authenticated: session?.kind === "full",
    tokenAccepted: session?.kind === "claim",
    mode: edge.mode(),
    rehearsal: edge.rehearsal,
    secure: isSecure(request),
    secureUrl: isSecure(request) ? null : secureUrl(edge, url),
    passwordPolicy: PASSWORD_POLICY,
    problem:
      problem === undefined ? null : { code: problem.code, message: problem.message, hint: problem.hint ?? null },
  });
}

/** The way over to TLS, under the name by which the caller came. */
function secureUrl(edge: SessionEdge, url: URL): string | null {
  const port = edge.securePort();
  return port === null ? null : `https://${url.hostname}:${port}/setup`;
}

async function logIn(edge: SessionEdge, request: RouteRequest): Promise<Response> {
  const body = parse(loginSchema, request.body, "password");
  if ("token" in body) {
    return json({ state: "claim" }, { headers: { "set-cookie": await startClaimSession(edge, request, body.token) } });
  }
  await judged(edge, { peer: request.peer, kind: "password" }, async () => {
    if (!(await edge.claim.isPassword(new Secret(body.password)))) throw wrongPassword();
  });
  edge.log.info("logged in", { peer: request.peer });
  return await authenticated(edge, request);
}

async function startClaimSession(edge: SessionEdge, request: RouteRequest, token: string): Promise<string> {
  await assertFree(edge, request);
  await judged(edge, { peer: request.peer, kind: "token" }, () => assertToken(edge, token));
  edge.log.info("setup token accepted", { peer: request.peer });
  return await edge.sessions.create("claim", request.request);
}

async function claimAppliance(edge: SessionEdge, request: RouteRequest): Promise<Response> {
  const body = parse(claimSchema, request.body, "password");
  await assertFree(edge, request);
  const { token } = body;
  if (token !== undefined) await judged(edge, { peer: request.peer, kind: "token" }, () => assertToken(edge, token));
  else if ((await edge.sessions.find(request.request))?.kind !== "claim") throw wrongToken();
  await edge.claim.setFirstPassword(new Secret(body.password));
  await edge.claims.note({ peer: request.peer, secure: isSecure(request.request), outcome: "claimed" });
  edge.log.info("appliance claimed", { peer: request.peer });
  edge.onClaimed?.();
  return await authenticated(edge, request);
}

/** A claim of a claimed box is refused, and told: somebody may hold a token who should not. */
async function assertFree(edge: SessionEdge, request: RouteRequest): Promise<void> {
  const found = await edge.claim.credential();
  if (found.state === "set") {
    edge.log.warn("second claim refused", { peer: request.peer });
    await edge.claims.note({ peer: request.peer, secure: isSecure(request.request), outcome: "refused" });
  }
  assertUnclaimed(found);
}

/** Asks for the password in force: an unlocked screen is not enough. Guesses count as those of the login. */
async function changePassword(edge: SessionEdge, request: RouteRequest): Promise<Response> {
  const body = parse(changeSchema, request.body, "next");
  await judged(edge, { peer: request.peer, kind: "password" }, async () => {
    if (!(await edge.claim.isPassword(new Secret(body.password)))) throw wrongPassword();
  });
  await edge.claim.replacePassword(new Secret(body.next));
  edge.log.info("management password changed", { peer: request.peer });
  const answer = await authenticated(edge, request);
  edge.onRevoked();
  return answer;
}

async function endOthers(edge: SessionEdge, request: RouteRequest): Promise<Response> {
  const ended = await edge.sessions.revokeOthers(request.request);
  edge.onRevoked();
  edge.log.info("other sessions ended", { peer: request.peer, ended });
  return json({ ended });
}

async function logOut(edge: SessionEdge, request: RouteRequest): Promise<Response> {
  const cookie = await edge.sessions.revoke(request.request);
  edge.onRevoked();
  edge.log.info("logged out", { peer: request.peer });
  return json({ state: "anonymous" }, { headers: { "set-cookie": cookie } });
}

async function authenticated(edge: SessionEdge, request: RouteRequest): Promise<Response> {
  const cookie = await edge.sessions.create("full", request.request);
  return json({ state: "authenticated" }, { headers: { "set-cookie": cookie } });
}

/** Runs a guess under the lockout: counted first, forgiven when right, taken back when it could not be judged. */
async function judged(
  edge: SessionEdge,
  guess: { readonly peer: string; readonly kind: "token" | "password" },
  work: () => Promise<void>,
): Promise<void> {
  const attempt = await edge.lockout.begin(guess.peer, { kind: guess.kind });
  try {
    await work();
  } catch (thrown) {
    if (!isApplianceError(thrown, "session/wrong-password", "session/wrong-token")) await attempt.withdraw();
    else edge.log.warn("wrong attempt", guess);
    throw thrown;
  }
  await attempt.succeed();
}

async function assertToken(edge: SessionEdge, token: string): Promise<void> {
  if (!(await edge.claim.isSetupToken(token))) throw wrongToken();
}

/** @throws {ApplianceError} json/shape with one entry per field. */
function parse<T>(schema: z.ZodType<T>, body: unknown, field: string): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const errors: readonly FieldProblem[] = [
    { field, code: "shape", detail: "Send a JSON object with the field as a text of 1 to 1024 characters." },
  ];
  throw new ApplianceError("json/shape", `Cannot read the request body: "${field}" is missing or has the wrong shape`, {
    details: { errors },
  });
}

function redirect(location: string, cookie?: string): Response {
  const headers = new Headers({ location, "cache-control": "no-store" });
  if (cookie !== undefined) headers.set("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}

function wrongToken(): ApplianceError {
  return new ApplianceError("session/wrong-token", "Cannot accept the setup token: it is not the one of this box", {
    hint: "Read the token on the console of the box, or in the file setup-token of its state folder",
  });
}

function wrongPassword(): ApplianceError {
  return new ApplianceError("session/wrong-password", "Cannot log in: the password is wrong", {
    hint: "Type the management password that was set when the appliance was claimed",
  });
}
