/** The status of a running control plane, read over HTTP with a session of its own. */
import { z } from "zod";
import { readBody } from "../core/body.ts";
import { ApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { Fetch } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import { type ApplianceStatus, applianceStatusSchema } from "./model.ts";

/** A document has some tens of kilobytes; more is not ours. */
const MAX_BYTES = 4 * 1024 * 1024;

export interface RemoteStatus {
  /** @throws {ApplianceError} net/* when it cannot be reached, session/* when it turns us away, json/* otherwise. */
  read(signal: AbortSignal): Promise<ApplianceStatus>;
}

/** @param password The management password; absent: the control plane must answer without a session, as it may not. */
export function createRemoteStatus(
  fetch: Fetch,
  options: { readonly url: string; readonly password?: Secret },
): RemoteStatus {
  let cookie: string | undefined;
  const ask = async (signal: AbortSignal): Promise<Response> => {
    const headers = { accept: "application/json", ...(cookie === undefined ? {} : { cookie }) };
    return fetch(new Request(new URL("/api/status", options.url), { headers, signal, redirect: "manual" }));
  };
  return {
    read: async (signal) => {
      let response = await ask(signal);
      if (response.status === 401 && options.password !== undefined) {
        await response.body?.cancel();
        cookie = await logIn(fetch, { url: options.url, password: options.password, signal });
        response = await ask(signal);
      }
      return statusOf(response, options.url);
    },
  };
}

async function logIn(
  fetch: Fetch,
  given: { readonly url: string; readonly password: Secret; readonly signal: AbortSignal },
): Promise<string> {
  const url = new URL("/api/session", given.url);
  const request = new Request(url, {
    method: "POST",
    headers: { "content-type": "application/json", origin: url.origin },
    body: JSON.stringify({ password: given.password.reveal() }),
    signal: given.signal,
    redirect: "manual",
  });
  const response = await fetch(request);
  await response.body?.cancel();
  const cookie = response.headers.get("set-cookie")?.split(";")[0];
  if (response.status === 429) {
    throw new ApplianceError("session/locked", `Cannot log in at "${given.url}": there were too many attempts`, {
      hint: "Wait some minutes, then try again",
    });
  }
  if (!response.ok || cookie === undefined) {
    throw new ApplianceError(
      "session/wrong-password",
      `Cannot log in at "${given.url}": the password is not accepted`,
      {
        hint: "Give the management password of the appliance on standard input",
      },
    );
  }
  return cookie;
}

async function statusOf(response: Response, url: string): Promise<ApplianceStatus> {
  if (response.status === 401) {
    await response.body?.cancel();
    throw new ApplianceError("session/required", `Cannot read the status of "${url}": it wants a login`, {
      hint: "Give the management password on standard input: --password-stdin",
    });
  }
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new ApplianceError(
      "net/malformed",
      `Cannot read the status of "${url}": it answers ${response.status}, 200 is wanted`,
    );
  }
  const bytes = await readBody(response.body, { maxBytes: MAX_BYTES, tooLarge: () => tooLarge(url) });
  const parsed = applianceStatusSchema.safeParse(parseJson(bytes, { what: "the status", maxBytes: MAX_BYTES }));
  if (parsed.success) return parsed.data;
  throw new ApplianceError(
    "json/shape",
    `Cannot read the status of "${url}": ${z.prettifyError(parsed.error).slice(0, 300)}`,
    {
      cause: parsed.error,
    },
  );
}

function tooLarge(url: string): ApplianceError {
  return new ApplianceError(
    "json/too-large",
    `Cannot read the status of "${url}": it is longer than ${MAX_BYTES} bytes, at most that many are read`,
  );
}
