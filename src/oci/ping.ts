/** Asking a registry whether it answers, what time it has, and whether it lets us in. */
import { isApplianceError } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { parseInstant } from "../core/time.ts";
import { failedAnswer } from "./answers.ts";
import { withAuth } from "./auth.ts";
import { htmlAnswer } from "./blob.ts";
import { budgeted, type Connection, get } from "./connection.ts";
import { bareMediaType } from "./media-types.ts";

/**
 * Sends one request and at most one login; 200 and 401 both mean that a registry is there.
 *
 * @throws {ApplianceError} net/* when it cannot be reached, oci/unexpected-answer when something else answers.
 */
export async function ping(
  connection: Connection,
  signal: AbortSignal | undefined,
): Promise<{ readonly serverTimeMs?: number; readonly authenticated: boolean }> {
  const host = connection.base.host;
  return budgeted(connection, { what: host, signal }, async (limit) => {
    let serverTimeMs: number | undefined;
    const observed: Fetch = async (request) => {
      const response = await connection.raw(request);
      serverTimeMs ??= parseInstant(response.headers.get("date"));
      return response;
    };
    const probe = withAuth(observed, connection.deps, {
      registry: connection.base,
      credentials: connection.options.credentials,
    });
    const authenticated = await letsIn(probe, get(connection, "/v2/", { signal: limit }), connection);
    return { authenticated, ...(serverTimeMs === undefined ? {} : { serverTimeMs }) };
  });
}

async function letsIn(probe: Fetch, request: Request, connection: Connection): Promise<boolean> {
  try {
    const response = await probe(request);
    const isPage = bareMediaType(response.headers.get("content-type")) === "text/html";
    if (response.status !== 200)
      throw await failedAnswer(response, { what: connection.base.host, clock: connection.deps.clock });
    await response.body?.cancel();
    if (isPage) throw htmlAnswer(connection.base.host);
    return true;
  } catch (thrown) {
    if (isApplianceError(thrown, "oci/unauthorized")) return false;
    throw thrown;
  }
}
