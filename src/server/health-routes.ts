/**
 * `/healthz` and `/readyz`, without session.
 *
 * `/healthz` says that the process answers and nothing else: it reads no file and waits for nobody, so that a probe never
 * kills a process that works. `/readyz` asks what the process needs.
 */
import { json, problem, type Route } from "../core/http.ts";

export interface Readiness {
  readonly ready: boolean;
  /** What is missing, one sentence each. */
  readonly reasons: readonly string[];
}

/** `GET /healthz`: from memory, never blocked by work, without a session (interfaces.md section 3). */
export function healthRoute(mode: () => "setup" | "status"): Route {
  return {
    method: "GET",
    path: "/healthz",
    access: "public",
    summary: "Answers 200 with the mode as long as the process serves; never blocked by work",
    handle: async () => json({ ok: true, mode: mode() }),
  };
}

/** @param check Bounded in time by whoever gives it. */
export function readyRoute(check: () => Promise<Readiness>): Route {
  return {
    method: "GET",
    path: "/readyz",
    access: "public",
    summary: "Answers 200 when Kubernetes and the state folder answer, else 503 with the reasons",
    handle: async () => {
      try {
        const readiness = await check();
        return json({ ok: readiness.ready, reasons: readiness.reasons }, { status: readiness.ready ? 200 : 503 });
      } catch (thrown) {
        const answer = problem(thrown);
        return new Response(answer.body, { status: 503, headers: answer.headers });
      }
    },
  };
}
