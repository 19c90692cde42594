/**
 * How our registry asks for a login: not at all, Basic, or Bearer tokens of its own token service.
 *
 * Tokens name what they allow; a request that needs more is answered 401 with the scope it needs, as the real ones do.
 *
 * @see distribution v2.8, docs/spec/auth/token.md and scope.md
 */
import type { Clock, Random } from "../core/ports.ts";
import { isSameSecret } from "../core/secret.ts";
import { toInstant } from "../core/time.ts";
import { RegistryError } from "./registry-answers.ts";

export interface RegistryUser {
  readonly username: string;
  readonly password: string;
  /** Absent: pull and push everywhere. */
  readonly actions?: readonly string[];
}

export type RegistryAuth =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly realm?: string; readonly users: readonly RegistryUser[] }
  | {
      readonly kind: "token";
      readonly service?: string;
      /** URL of the token service; absent: `/token` of the same registry. */
      readonly realm?: string;
      readonly users: readonly RegistryUser[];
      /** Gives pull tokens to callers without credentials, as public registries do. */
      readonly anonymousPull?: boolean;
      /** Seconds a token is good for. Absent: 300. */
      readonly expiresInSeconds?: number;
    };

/** What one request needs. */
export interface Needs {
  readonly repository?: string;
  readonly action: "base" | "pull" | "push" | "delete";
  /** A repository that a mount reads from. */
  readonly from?: string;
}

export interface AuthGate {
  /** @throws {RegistryError} UNAUTHORIZED with the challenge when the request may not do this. */
  check(request: Request, needs: Needs): void;
  /** Answers the token service; undefined when there is none. */
  token(request: Request): Response | undefined;
}

interface Grant {
  readonly scopes: ReadonlyMap<string, ReadonlySet<string>>;
  readonly untilMs: number;
}

/**
 * Makes the gate.
 *
 * @throws {Error} when tokens are to be made and there is no source of randomness: a defect of the caller.
 */
export function createAuthGate(
  auth: RegistryAuth,
  deps: { readonly clock: Pick<Clock, "now">; readonly random: Random | undefined },
): AuthGate {
  if (auth.kind === "none") return { check: () => {}, token: () => undefined };
  if (auth.kind === "basic") return basicGate(auth);
  if (deps.random === undefined) throw new Error("Cannot make tokens: no source of randomness was given");
  return tokenGate(auth, { clock: deps.clock, random: deps.random });
}

function basicGate(auth: Extract<RegistryAuth, { kind: "basic" }>): AuthGate {
  return {
    token: () => undefined,
    check: (request, needs) => {
      const user = basicUser(request, auth.users);
      if (user === undefined) {
        throw new RegistryError("UNAUTHORIZED", "authentication required", {
          "www-authenticate": `Basic realm="${auth.realm ?? "registry"}"`,
        });
      }
      if (needs.action !== "base" && user.actions?.includes(needs.action) === false) {
        throw new RegistryError("DENIED", "requested access to the resource is denied");
      }
    },
  };
}

function tokenGate(
  auth: Extract<RegistryAuth, { kind: "token" }>,
  deps: { readonly clock: Pick<Clock, "now">; readonly random: Random },
): AuthGate {
  const grants = new Map<string, Grant>();
  const service = auth.service ?? "registry";
  return {
    token: (request) => {
      const seconds = auth.expiresInSeconds ?? 300;
      const now = deps.clock.now();
      for (const [token, grant] of grants) if (grant.untilMs <= now) grants.delete(token);
      const token = Buffer.from(deps.random.bytes(24)).toString("base64url");
      grants.set(token, { scopes: grantedScopes(request, auth), untilMs: now + seconds * 1_000 });
      return Response.json({ token, access_token: token, expires_in: seconds, issued_at: toInstant(now) });
    },
    check: (request, needs) => {
      const grant = grants.get(bearer(request));
      const isLive = grant !== undefined && grant.untilMs > deps.clock.now();
      if (isLive && isGranted(grant, needs)) return;
      const realm = auth.realm ?? new URL("/token", request.url).href;
      throw new RegistryError("UNAUTHORIZED", "authentication required", {
        "www-authenticate": `Bearer realm="${realm}",service="${service}"${scopeOf(needs)}${isLive ? ',error="insufficient_scope"' : ""}`,
      });
    },
  };
}

function isGranted({ scopes }: Grant, { repository = "", action, from }: Needs): boolean {
  if (action === "base") return true;
  const mayRead = from === undefined || scopes.get(from)?.has("pull") === true;
  return mayRead && scopes.get(repository)?.has(action) === true;
}

function scopeOf({ repository, action, from }: Needs): string {
  if (repository === undefined) return "";
  const mounted = from === undefined ? "" : ` repository:${from}:pull`;
  return `,scope="repository:${repository}:${action === "push" ? "pull,push" : action}${mounted}"`;
}

/** Wrong credentials are refused, and so are missing ones where nothing is public. */
function grantedScopes(
  request: Request,
  auth: Extract<RegistryAuth, { kind: "token" }>,
): ReadonlyMap<string, ReadonlySet<string>> {
  const user = basicUser(request, auth.users);
  if (user === undefined && (request.headers.has("authorization") || auth.anonymousPull !== true)) {
    throw new RegistryError("UNAUTHORIZED", "incorrect username or password");
  }
  const allowed = user === undefined ? ["pull"] : (user.actions ?? ["pull", "push", "delete"]);
  const scopes = new URL(request.url).searchParams.getAll("scope").flatMap((scope) => scope.split(" "));
  const granted = scopes.flatMap((scope): [string, Set<string>][] => {
    const [type, repository, actions] = scope.split(":");
    if (type !== "repository" || repository === undefined || actions === undefined) return [];
    return [[repository, new Set(actions.split(",").filter((action) => allowed.includes(action)))]];
  });
  return new Map(granted);
}

function bearer(request: Request): string {
  return /^bearer (\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
}

function basicUser(request: Request, users: readonly RegistryUser[]): RegistryUser | undefined {
  const encoded = /^basic (\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const given = Buffer.from(encoded, "base64").toString("utf8");
  return users.find((user) => isSameSecret(`${user.username}:${user.password}`, given));
}
