/** `GET /api/events`: the hub as `text/event-stream`. The stream ends when its session does. */
import { EVENT_STREAM_HEADERS } from "../core/event-stream.ts";
import type { Route } from "../core/http.ts";
import type { EventHub } from "./events.ts";
import type { Sessions } from "./sessions.ts";

/** `GET /api/events`: the stream for a session, which ends when the session does. */
export function eventRoutes(edge: {
  readonly events: EventHub;
  readonly sessions: Pick<Sessions, "find">;
}): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/events",
      access: "session",
      summary: "Streams status, operation, journal and log events; resumes by Last-Event-ID",
      handle: async ({ request }) => {
        const body =
          request.method === "HEAD"
            ? null
            : edge.events.open({
                lastEventId: request.headers.get("last-event-id"),
                isAllowed: async () => (await edge.sessions.find(request))?.kind === "full",
              });
        return new Response(body, { headers: EVENT_STREAM_HEADERS });
      },
    },
  ];
}
