/**
 * Puts the server together: sessions, claim, lockout, events and pages of its own around the routes of the rooms.
 *
 * `serve` and the rehearsal call this with everything injected; it opens no socket and starts nothing by itself.
 */
import type { OpenStream } from "../core/event-stream.ts";
import type { Route } from "../core/http.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { type App, createApp } from "./app.ts";
import { type AssetFile, createAssetServer, createAssets } from "./assets.ts";
import { type Claim, createClaim } from "./claim.ts";
import { createClaims } from "./claims.ts";
import { eventRoutes } from "./event-routes.ts";
import { createEventHub, type EventDocument, type EventHub } from "./events.ts";
import { healthRoute, type Readiness, readyRoute } from "./health-routes.ts";
import type { Limits } from "./limits.ts";
import { createLockout } from "./lockout.ts";
import { assetFiles, pageRoutes } from "./page-routes.ts";
import { exchangeLink, type SessionEdge, sessionRoutes } from "./session-routes.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import { createStreams } from "./streams.ts";

/** What the server serves and whom it tells; sockets and sessions are its own. */
export interface ServerOptions {
  readonly paths: StatePaths;
  /** Routes of the rooms: setup, operation, status; made here, because some ask for the session. */
  readonly routes: (own: OwnParts) => readonly Route[];
  /** Files of the web application; "/index.html" is its page. */
  readonly assets: readonly AssetFile[];
  readonly mode: () => "setup" | "status";
  readonly rehearsal: boolean;
  /** What a new reader of the event stream gets first: the status and the operation as they are now. */
  readonly documents: () => readonly EventDocument[];
  /** Answers `/readyz`; absent when a room brings that route. */
  readonly readiness?: () => Promise<Readiness>;
  /** Told after the appliance got its owner. */
  readonly onClaimed?: () => void;
  /** Port of the page over TLS; null, or absent, while there is none. */
  readonly securePort?: () => number | null;
  readonly limits?: Limits;
}

/** What the server lends to the rooms' edges. */
export interface OwnParts {
  /** Tells whether a request carries a full session. */
  readonly hasSession: (request: Request) => Promise<boolean>;
  /** Opens a stream of events of its own for one reader. */
  readonly openStream: OpenStream;
}

export interface ServerApp {
  /** For `ListenOptions.handle`. */
  readonly handle: App;
  readonly events: EventHub;
  readonly sessions: Sessions;
  readonly claim: Claim;
  /** All routes, for the generated reference. */
  readonly routes: readonly Route[];
  /** Makes the state folder and finishes a claim that a crash cut off. Call once before listening; safe to call again. */
  prepare(): Promise<void>;
  /** Ends the event streams; call before the listener drains. */
  stop(): void;
}

/** Makes the application. Call `prepare()` before it is listened to and `stop()` before the listener drains. */
export function createServerApp(
  deps: Pick<Deps, "clock" | "random" | "files" | "machine" | "log">,
  options: ServerOptions,
): ServerApp {
  const claim = createClaim(deps, options.paths);
  const sessions = createSessions(deps, { paths: options.paths, credentialId: () => credentialId(claim) });
  const events = createEventHub(deps, { documents: options.documents });
  const streams = createStreams(deps, sessions);
  const edge: SessionEdge = {
    sessions,
    claim,
    claims: createClaims(deps, options.paths),
    securePort: options.securePort ?? (() => null),
    lockout: createLockout(deps, options.paths),
    mode: options.mode,
    rehearsal: options.rehearsal,
    onRevoked: () => {
      events.recheck();
      streams.recheck();
    },
    ...(options.onClaimed === undefined ? {} : { onClaimed: options.onClaimed }),
    log: deps.log,
  };
  const pages = {
    assets: createAssets(options.assets),
    server: createAssetServer(),
    exchangeLink: (request: Parameters<typeof exchangeLink>[1], token: string) => exchangeLink(edge, request, token),
  };
  const routes: readonly Route[] = [
    healthRoute(options.mode),
    ...(options.readiness === undefined ? [] : [readyRoute(options.readiness)]),
    ...sessionRoutes(edge),
    ...eventRoutes({ events, sessions }),
    ...options.routes({
      hasSession: async (request) => (await sessions.find(request))?.kind === "full",
      openStream: streams.open,
    }),
    ...pageRoutes(pages),
  ];
  return {
    handle: createApp(deps, {
      routes,
      sessions,
      otherwise: assetFiles(pages),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    }),
    events,
    sessions,
    claim,
    routes,
    prepare: async () => {
      await deps.files.makeDirectory(options.paths.state);
      await claim.finish();
    },
    stop: () => {
      events.close();
      streams.close();
    },
  };
}

/** What sessions are bound to. Damage is a credential of its own that no session was made under. */
async function credentialId(claim: Claim): Promise<string> {
  const found = await claim.credential();
  if (found.state === "none") return "";
  return found.state === "set" ? found.id : "unusable";
}
