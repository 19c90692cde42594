/**
 * What may be asked of the host agent: a closed list, and nothing of a request but numbers in bounds and words of a list goes on. Pure.
 *
 * Everything here is untrusted: the pod that asks may have been taken over. A request that is not exactly one of the list is refused.
 */
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";

/** Units whose journal may be read. */
export const JOURNAL_UNITS = {
  k3s: "k3s",
  bootstrap: "alga-appliance-bootstrap",
  console: "alga-appliance-console",
  agent: "alga-host-agent",
  time: "systemd-timesyncd",
  network: "systemd-networkd",
  resolver: "systemd-resolved",
} as const;

export type JournalUnit = keyof typeof JOURNAL_UNITS;

/** One thing asked for, with nothing in it that is not of our own words. */
export type HostRequest =
  | { readonly kind: "health" }
  | { readonly kind: "facts" }
  | { readonly kind: "images" }
  | { readonly kind: "maintenance" }
  | { readonly kind: "journal"; readonly unit: JournalUnit; readonly lines: number }
  | { readonly kind: "prune-images" }
  | { readonly kind: "reapply" }
  /** `consent` is compared with the name of the machine, and goes nowhere else. */
  | { readonly kind: "reboot"; readonly consent: string };

/** Kinds that change the box: one at a time. */
export const CHANGING: ReadonlySet<HostRequest["kind"]> = new Set(["prune-images", "reapply", "reboot"]);

/** A body is a consent at most. */
export const MAX_BODY_BYTES = 1_024;
const MAX_LINES = 50_000;
const DEFAULT_LINES = 200;

const units = Object.keys(JOURNAL_UNITS) as [JournalUnit, ...JournalUnit[]];
const journalSchema = z.strictObject({
  unit: z.enum(units),
  lines: z
    .string()
    .regex(/^[1-9]\d{0,4}$/)
    .transform(Number)
    .refine((lines) => lines <= MAX_LINES)
    .default(DEFAULT_LINES),
});
const noneSchema = z.strictObject({});
const rebootSchema = z.strictObject({ consent: z.string().min(1).max(253) });

type Reader = (query: unknown, body: unknown) => HostRequest;

const plain =
  (kind: "health" | "facts" | "images" | "maintenance" | "prune-images" | "reapply"): Reader =>
  (query, body) => {
    noneSchema.parse(query);
    noneSchema.parse(body);
    return { kind };
  };

/** Method and path -> how to read the rest. The last one is the name that older control planes know. */
const ROUTES: Readonly<Record<string, Reader>> = {
  "GET /v1/health": plain("health"),
  "GET /v1/facts": plain("facts"),
  "GET /v1/images": plain("images"),
  "GET /v1/maintenance": plain("maintenance"),
  "GET /v1/journal": (query, body) => {
    noneSchema.parse(body);
    return { kind: "journal", ...journalSchema.parse(query) };
  },
  "POST /v1/images/prune": plain("prune-images"),
  "POST /v1/control-plane/reapply": plain("reapply"),
  "POST /v1/reboot": (query, body) => {
    noneSchema.parse(query);
    return { kind: "reboot", ...rebootSchema.parse(body) };
  },
  "POST /v1/control-plane/upgrade": plain("reapply"),
};

/**
 * Reads one request.
 *
 * @param body Bytes of the body, empty for none.
 * @throws {ApplianceError} http/not-found for what is not of the list; http/method where the path is; http/bad-request for a
 *   parameter or body of another form; the json/ codes for a body that is no JSON.
 */
export function readHostRequest(method: string, url: URL, body: Uint8Array): HostRequest {
  const route = Object.hasOwn(ROUTES, `${method} ${url.pathname}`) ? ROUTES[`${method} ${url.pathname}`] : undefined;
  if (route === undefined) throw unknown(method, url.pathname);
  const content = body.length === 0 ? {} : parseJson(body, { what: "the request", maxBytes: MAX_BODY_BYTES });
  try {
    return route(queryOf(url), content);
  } catch (cause) {
    if (!(cause instanceof z.ZodError)) throw cause;
    const at = cause.issues[0]?.path.join(".") ?? "";
    throw new ApplianceError(
      "http/bad-request",
      `Cannot take the request: ${at === "" ? "a parameter" : at} has another form, one of the list is wanted`,
      { cause },
    );
  }
}

/** Parameters as an object; one that is named twice is refused, because two readers would read two things. */
function queryOf(url: URL): Readonly<Record<string, string>> {
  const entries = [...url.searchParams];
  const query: Record<string, string> = Object.assign(Object.create(null), {});
  for (const [name, value] of entries) {
    if (name in query)
      throw new ApplianceError("http/bad-request", "Cannot take the request: a parameter stands twice");
    query[name] = value;
  }
  return { ...query };
}

function unknown(method: string, path: string): ApplianceError {
  const knows = Object.keys(ROUTES).some((route) => route.slice(route.indexOf(" ") + 1) === path);
  if (knows) return new ApplianceError("http/method", `Cannot use method "${method.slice(0, 16)}" here`);
  return new ApplianceError("http/not-found", "Cannot answer: the host agent knows no such request");
}
