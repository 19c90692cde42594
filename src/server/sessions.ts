/**
 * Sessions: random ids in a cookie, their hashes in `sessions.json`, revocable on the server.
 *
 * Two kinds. A `full` session is what a password gives. A `claim` session is what the setup token gives before the
 * appliance has a password: it may set that password and nothing else. Each session names the credential it was made
 * under, so a new password or a reset on the box ends all older sessions.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { elapsedMs, type Moment, momentNow, momentSchema } from "./moment.ts";
import { createStored } from "./stored.ts";

/**
 * Over TLS the name has the prefix that binds it to this host and to TLS (RFC 6265bis, section 4.1.3.2): the plain page of the same host
 * can neither read nor set it. Two names also because a browser refuses a plain cookie that would replace a Secure one.
 */
const SESSION_COOKIE = { plain: "alga_appliance_session", secure: "__Host-alga_appliance_session" } as const;

const IDLE_MS = 12 * 3_600_000;
const LONGEST_MS = 7 * 24 * 3_600_000;
const CLAIM_MS = 3_600_000;
/** Uses closer together than this are not written down. */
const TOUCH_MS = 60_000;
/** Sessions at once; the longest unused go first. */
const MAX_SESSIONS = 64;
/** Cookies of our name looked at: another application of this host may set one too. */
const MAX_COOKIES = 4;

const sessionSchema = z.object({
  /** SHA-256 of the id in the cookie, hex. */
  idHash: z.string(),
  kind: z.enum(["full", "claim"]),
  /** Names the credential that was in force; empty before the claim. */
  credential: z.string(),
  created: momentSchema,
  seen: momentSchema,
});
const fileSchema = z.object({
  schema: z.literal("alga.appliance.sessions/v1"),
  sessions: z.array(sessionSchema).max(MAX_SESSIONS),
});

export type Session = z.infer<typeof sessionSchema>;
export type SessionKind = Session["kind"];
type SessionsFile = z.infer<typeof fileSchema>;

export interface Sessions {
  /** Makes a session under the credential in force; returns the value of `set-cookie`. */
  create(kind: SessionKind, request: Request): Promise<string>;
  /** The valid session that a request carries; marks it as used. */
  find(request: Request): Promise<Session | undefined>;
  /** Ends the sessions that a request carries; returns a `set-cookie` that clears the cookie. Safe to call again. */
  revoke(request: Request): Promise<string>;
  /** All open full sessions, the newest use first; says which of them the request carries. */
  list(request: Request): Promise<readonly OpenSession[]>;
  /** Ends all full sessions but those that the request carries. Safe to call again. @returns how many ended. */
  revokeOthers(request: Request): Promise<number>;
}

/** A session as its owner may see it: nothing of its id. */
export interface OpenSession {
  readonly current: boolean;
  /** Milliseconds since it was opened, and since its last use (known to a minute). */
  readonly openMs: number;
  readonly idleMs: number;
}

const EMPTY: SessionsFile = { schema: "alga.appliance.sessions/v1", sessions: [] };

/** @param options.credentialId Names the credential in force now: "" before the claim. */
export function createSessions(
  deps: Pick<Deps, "clock" | "random" | "files" | "machine" | "log">,
  options: { readonly paths: Pick<StatePaths, "sessions">; readonly credentialId: () => Promise<string> },
): Sessions {
  const stored = createStored(deps, {
    path: options.paths.sessions,
    schema: fileSchema,
    empty: EMPTY,
    corrupt: EMPTY,
  });
  return {
    create: async (kind, request) => {
      const id = Buffer.from(deps.random.bytes(32)).toString("base64url");
      const [now, credential] = await Promise.all([momentNow(deps), options.credentialId()]);
      const session: Session = { idHash: hashOf(id), kind, credential, created: now, seen: now };
      await stored.update((file) => ({ ...file, sessions: withRoom(file.sessions, session, now) }));
      return cookie(id, request, kind === "claim" ? CLAIM_MS : LONGEST_MS);
    },
    find: async (request) => {
      const hashes = hashesOf(request);
      if (hashes.length === 0) return undefined;
      const [file, now, credential] = await Promise.all([stored.read(), momentNow(deps), options.credentialId()]);
      const found = file.sessions.find(
        (session) => hashes.includes(session.idHash) && session.credential === credential && isAlive(session, now),
      );
      if (found !== undefined && elapsedMs(found.seen, now) > TOUCH_MS) {
        await stored.update((current) => ({ ...current, sessions: touched(current.sessions, found.idHash, now) }));
      }
      return found;
    },
    revoke: async (request) => {
      const hashes = hashesOf(request);
      await stored.update((file) => {
        const kept = file.sessions.filter((session) => !hashes.includes(session.idHash));
        return kept.length === file.sessions.length ? file : { ...file, sessions: kept };
      });
      return cookie("", request, 0);
    },
    list: async (request) => {
      const hashes = hashesOf(request);
      const [file, now, credential] = await Promise.all([stored.read(), momentNow(deps), options.credentialId()]);
      return file.sessions
        .filter((session) => isOpen(session, { now, credential }))
        .map(({ idHash, created, seen }) => ({
          current: hashes.includes(idHash),
          openMs: elapsedMs(created, now),
          idleMs: elapsedMs(seen, now),
        }))
        .sort((a, b) => a.idleMs - b.idleMs);
    },
    revokeOthers: async (request) => {
      const hashes = hashesOf(request);
      const [now, credential] = await Promise.all([momentNow(deps), options.credentialId()]);
      let ended = 0;
      await stored.update((file) => {
        const kept = file.sessions.filter((session) => session.kind !== "full" || hashes.includes(session.idHash));
        ended = file.sessions.filter(
          (session) => !kept.includes(session) && isOpen(session, { now, credential }),
        ).length;
        return kept.length === file.sessions.length ? file : { ...file, sessions: kept };
      });
      return ended;
    },
  };
}

function isOpen(session: Session, at: { readonly now: Moment; readonly credential: string }): boolean {
  return session.kind === "full" && session.credential === at.credential && isAlive(session, at.now);
}

function isAlive(session: Session, now: Moment): boolean {
  const longest = session.kind === "claim" ? CLAIM_MS : LONGEST_MS;
  return elapsedMs(session.created, now) < longest && elapsedMs(session.seen, now) < IDLE_MS;
}

/** Adds a session; drops dead ones, and above the bound first claim sessions, then the longest unused. */
function withRoom(sessions: readonly Session[], added: Session, now: Moment): Session[] {
  const alive = sessions.filter((session) => isAlive(session, now));
  const worth = (session: Session): number =>
    elapsedMs(session.seen, now) + (session.kind === "claim" ? LONGEST_MS : 0);
  return [added, ...alive.sort((a, b) => worth(a) - worth(b))].slice(0, MAX_SESSIONS);
}

function touched(sessions: readonly Session[], idHash: string, now: Moment): Session[] {
  return sessions.map((session) => (session.idHash === idHash ? { ...session, seen: now } : session));
}

function hashesOf(request: Request): readonly string[] {
  const header = request.headers.get("cookie") ?? "";
  const ids = [...header.matchAll(/(?:^|;)\s*((?:__Host-)?alga_appliance_session)=([A-Za-z0-9_-]{43})(?=\s*(?:;|$))/g)];
  const wanted = cookieName(request);
  return ids
    .filter(([, name]) => name === wanted)
    .slice(0, MAX_COOKIES)
    .map(([, , id]) => hashOf(id ?? ""));
}

function hashOf(id: string): string {
  return createHash("sha256").update(id).digest("hex");
}

function cookie(id: string, request: Request, maxAgeMs: number): string {
  const secure = isSecure(request) ? "; Secure" : "";
  return `${cookieName(request)}=${id}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${maxAgeMs / 1_000}${secure}`;
}

function cookieName(request: Request): string {
  return isSecure(request) ? SESSION_COOKIE.secure : SESSION_COOKIE.plain;
}

/** Tells whether a request came over TLS; the listener says so, not the client. */
export function isSecure(request: Request): boolean {
  return request.url.startsWith("https:");
}
