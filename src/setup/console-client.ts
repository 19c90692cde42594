/**
 * The control plane of this box as the text wizard speaks to it: over its own API on the loopback, so that there is one engine and one
 * claim, whoever asks.
 *
 * What answers may be another program on the same port: answers are bounded and checked, and shown as plain text only.
 */
import { z } from "zod";
import { readBody } from "../core/body.ts";
import { withDeadline } from "../core/deadline.ts";
import { ERROR_CODES, type ErrorCode } from "../core/error-codes.ts";
import { ApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import { type OperationView, operationSchema } from "../operation/model.ts";

const MAX_BYTES = 1024 * 1024;
/** A plan asks the registry; all else answers from memory. */
const ASK_MS = 120_000;

const sessionSchema = z.object({
  claimed: z.boolean(),
  authenticated: z.boolean(),
  passwordPolicy: z.object({ rules: z.array(z.string()) }),
});
const configSchema = z.object({
  mode: z.enum(["setup", "status"]),
  defaults: z.record(z.string(), z.string()),
  secretsKept: z.array(z.string()),
  network: z.object({ addresses: z.array(z.string()), resolvers: z.array(z.string()) }),
  channels: z.array(z.object({ name: z.string(), version: z.string(), verifiedBy: z.string() })),
  channelsProblem: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).nullable(),
  operation: operationSchema.nullable(),
});
const planSchema = z.object({
  digest: z.string(),
  release: z.object({
    version: z.string(),
    digest: z.string(),
    channel: z.string().nullable(),
    verifiedBy: z.string(),
  }),
  steps: z.array(z.object({ title: z.string(), about: z.string() })),
  downloads: z.array(z.object({ name: z.string(), sizeBytes: z.number() })),
  totalBytes: z.number(),
  changes: z.array(
    z.object({
      kind: z.string(),
      namespace: z.string().nullable(),
      name: z.string(),
      action: z.enum(["create", "change", "keep"]),
    }),
  ),
  expectedMs: z.number(),
  warnings: z.array(z.string()),
});
const namesSchema = z.object({
  servers: z.array(z.object({ address: z.string(), state: z.string(), text: z.string() })),
  application: z
    .object({
      name: z.string(),
      state: z.string(),
      addresses: z.array(z.string()),
      leadsHere: z.boolean(),
      suggestion: z.string().nullable(),
    })
    .nullable(),
});
const startedSchema = z.object({ operation: operationSchema });
const problemSchema = z.object({
  code: z.string(),
  detail: z.string(),
  hint: z.string().optional(),
  errors: z.array(z.object({ field: z.string(), code: z.string(), detail: z.string() })).default([]),
});

export type WizardSession = z.infer<typeof sessionSchema>;
export type WizardConfig = z.infer<typeof configSchema>;
export type WizardPlan = z.infer<typeof planSchema>;
export type NamesFound = z.infer<typeof namesSchema>;

/** Answers as the API takes them, secrets in plain text among them: never logged, never kept. */
export type AnswerDocument = Readonly<Record<string, string>>;

/** What the wizard asks of the control plane. All throw what the control plane answers, or net/ and http/ codes. */
export interface WizardClient {
  session(): Promise<WizardSession>;
  /** Logs in. @throws {ApplianceError} session/wrong-password, session/locked. */
  logIn(password: Secret): Promise<void>;
  /** Sets the first management password. @throws {ApplianceError} session/wrong-token, session/weak-password, session/locked. */
  claim(token: Secret, password: Secret): Promise<void>;
  config(): Promise<WizardConfig>;
  nameServers(answers: AnswerDocument): Promise<NamesFound>;
  /** @throws {ApplianceError} setup/invalid-answers with `details.errors`, and what resolving the release throws. */
  plan(answers: AnswerDocument): Promise<WizardPlan>;
  /** Starts setup, or corrects the one that waits. */
  start(answers: AnswerDocument): Promise<OperationView>;
  operation(id: string): Promise<OperationView>;
  /** Tries again what is blocked. */
  resume(id: string): Promise<OperationView>;
}

interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: object;
}

/** Opens the API at an address such as `http://127.0.0.1:8080`. Holds a session cookie in memory, nothing else. */
export function createWizardClient(
  deps: Pick<Deps, "clock" | "transports">,
  options: { readonly origin: string; readonly signal: AbortSignal },
): WizardClient {
  const fetch = deps.transports.open({ idleTimeoutMs: ASK_MS });
  let cookie = "";
  const ask = <T>({ method, path, body }: Call, schema: z.ZodType<T>): Promise<T> =>
    withDeadline(deps.clock, ASK_MS, {
      what: "the answer of the control plane",
      parent: options.signal,
      work: async (signal) => {
        const headers = {
          origin: options.origin,
          "content-type": "application/json",
          ...(cookie === "" ? {} : { cookie }),
        };
        const content = body === undefined ? {} : { body: JSON.stringify(body) };
        const answer = await fetch(new Request(`${options.origin}${path}`, { method, headers, signal, ...content }));
        cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? cookie;
        return read(answer, schema, signal);
      },
    });
  const post = <T>(path: string, body: object, schema: z.ZodType<T>): Promise<T> =>
    ask({ method: "POST", path, body }, schema);
  return {
    session: () => ask({ method: "GET", path: "/api/session" }, sessionSchema),
    logIn: async (password) => {
      await post("/api/session", { password: password.reveal() }, z.object({}));
    },
    claim: async (token, password) => {
      await post("/api/session/claim", { token: token.reveal(), password: password.reveal() }, z.object({}));
    },
    config: () => ask({ method: "GET", path: "/api/setup/config" }, configSchema),
    nameServers: (answers) => post("/api/setup/name-servers", answers, namesSchema),
    plan: (answers) => post("/api/setup/plan", answers, planSchema),
    start: async (answers) => (await post("/api/setup", answers, startedSchema)).operation,
    operation: async (id) => (await ask({ method: "GET", path: operationPath(id) }, startedSchema)).operation,
    resume: async (id) => (await post(`${operationPath(id)}/resume`, {}, startedSchema)).operation,
  };
}

function operationPath(id: string): string {
  return `/api/operations/${encodeURIComponent(id)}`;
}

async function read<T>(answer: Response, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
  const bytes = await readBody(answer.body, { maxBytes: MAX_BYTES, tooLarge: () => strange(answer.status), signal });
  signal.throwIfAborted();
  let value: unknown;
  try {
    value = parseJson(bytes, { what: "the answer of the control plane", maxBytes: MAX_BYTES });
  } catch {
    throw strange(answer.status);
  }
  if (!answer.ok) throw problemOf(answer.status, value);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw strange(answer.status);
}

/** The problem document as the error that the control plane threw. */
function problemOf(status: number, value: unknown): ApplianceError {
  const parsed = problemSchema.safeParse(value);
  if (!parsed.success || !isCode(parsed.data.code)) return strange(status);
  const { code, detail, hint, errors } = parsed.data;
  return new ApplianceError(code, detail, { ...(hint === undefined ? {} : { hint }), details: { errors } });
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

function strange(status: number): ApplianceError {
  return new ApplianceError(
    "http/bad-request",
    `Cannot understand the control plane: it answered ${status} with something else, is it another program or version`,
    { hint: "systemctl status alga-appliance-bootstrap says which control plane runs" },
  );
}
