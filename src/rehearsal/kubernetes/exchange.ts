/** The HTTP edge of the in-memory API server: bodies in, objects and refusals out. */
import { parse } from "yaml";
import { badRequest, Refusal } from "./refusal.ts";

export interface Answer {
  readonly status: number;
  readonly body: object;
}

/** 3 MiB, as the real server. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

/** Reads a body as JSON or YAML; undefined when there is none. */
export async function requestBody(request: Request): Promise<unknown> {
  const text = await request.text();
  if (text.length > MAX_BODY_BYTES) {
    throw new Refusal(413, "RequestEntityTooLarge", `Request entity too large: limit is ${MAX_BODY_BYTES}`);
  }
  if (text === "") return undefined;
  try {
    return text.trimStart().startsWith("{") || text.trimStart().startsWith("[") ? JSON.parse(text) : parse(text);
  } catch {
    throw badRequest("the object provided is unrecognized: couldn't get version/kind; json parse error");
  }
}

/** The response of an answer: its body as one line of JSON. */
export function respond(answer: Answer): Response {
  return new Response(`${JSON.stringify(answer.body)}\n`, {
    status: answer.status,
    headers: { "content-type": "application/json" },
  });
}

/** The response of a refusal: the `Status` object, with `retry-after` in seconds where one is wanted. */
export function respondRefusal(refusal: Refusal): Response {
  const { retryAfterSeconds } = refusal.details;
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (retryAfterSeconds !== undefined) headers["retry-after"] = String(retryAfterSeconds);
  return new Response(`${JSON.stringify(refusal.status())}\n`, { status: refusal.code, headers });
}
