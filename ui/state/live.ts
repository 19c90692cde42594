/**
 * What the box says now: session, status, setup and the operation, kept fresh by its event stream.
 *
 * `EventSource` resumes by `Last-Event-ID` itself. When the stream cannot be had but the box answers, the page asks
 * every two seconds instead; when nothing answers, it says so and tries on. After every gap it reads whole documents,
 * so a missed event never leaves it wrong.
 */
import { getJson, observeAnswers } from "./api.ts";
import { createStore } from "./store.ts";
import type { ApplianceStatus, JournalEntry, OperationView, SessionView, SetupConfig } from "./wire.ts";

export type Connection =
  | { readonly state: "starting" | "live" | "polling" }
  | { readonly state: "lost"; readonly since: string };

export const connection = createStore<Connection>({ state: "starting" });
export const session = createStore<SessionView | null>(null);
export const status = createStore<ApplianceStatus | null>(null);
export const config = createStore<SetupConfig | null>(null);
export const operation = createStore<OperationView | null>(null);
/** The last journal event; pages that show a journal append it to what they fetched. */
export const journal = createStore<{ readonly operationId: string; readonly entry: JournalEntry } | null>(null);

/** Grows with every news about updates; the page that shows them reads them anew. */
export const updatesChanged = createStore(0);

/** How long a stream may be silent before the page calls the connection lost. */
const GRACE_MS = 1_500;
const POLL_MS = 2_000;
/** How long a hidden page keeps its stream. */
const HIDDEN_MS = 30_000;

let stream: EventSource | undefined;
let retry: ReturnType<typeof setTimeout> | undefined;
let grace: ReturnType<typeof setTimeout> | undefined;
let polling: ReturnType<typeof setInterval> | undefined;
let resting: ReturnType<typeof setTimeout> | undefined;
let refusals = 0;

/** Asks who we are, then follows the box. Called once. */
export async function startLive(): Promise<void> {
  observeAnswers(({ status: code }) => {
    if (code === 0) loseSoon();
    else if (code === 401) void refreshSession();
  });
  addEventListener("online", () => void reconnect());
  document.addEventListener("visibilitychange", restWhileHidden);
  await refreshSession();
  if (session.get() === null) retry = setTimeout(() => void startAgain(), POLL_MS);
}

/** Reads the session, and opens or closes the stream with it. */
export async function refreshSession(): Promise<SessionView | null> {
  const answered = await getJson<SessionView>("/api/session");
  if (!answered.ok) return session.get();
  if (JSON.stringify(answered.value) !== JSON.stringify(session.get())) session.set(answered.value);
  if (answered.value.authenticated) await follow();
  else stop();
  return answered.value;
}

/** Reads the setup document anew. */
export async function refreshConfig(): Promise<SetupConfig | null> {
  const answered = await getJson<SetupConfig>("/api/setup/config");
  if (answered.ok) {
    takeOperation(answered.value.operation ?? undefined);
    config.set(answered.value);
  }
  return answered.ok ? answered.value : null;
}

/** Reads status and operation whole. */
export async function refresh(): Promise<boolean> {
  const [state, runs] = await Promise.all([
    getJson<ApplianceStatus>("/api/status"),
    getJson<{ operations: readonly OperationView[] }>("/api/operations"),
  ]);
  if (state.ok) status.set(state.value);
  if (runs.ok) takeOperation(newest(runs.value.operations));
  return state.ok || runs.ok;
}

/** Takes an operation that an answer or an event brought. */
export function takeOperation(next: OperationView | undefined): void {
  if (next === undefined) return;
  const current = operation.get();
  if (current !== null && current.id !== next.id && current.startedAt > next.startedAt) return;
  operation.set(next);
}

/** Asks at once instead of waiting for the next attempt. */
export async function reconnect(): Promise<void> {
  stream?.close();
  stream = undefined;
  clearTimeout(retry);
  if (session.get() === null) await startAgain();
  else await refreshSession();
}

/**
 * Gives the stream back while nobody looks: a browser keeps six connections to a host, and the seventh tab would wait for
 * ever. Looking again reads whole documents first.
 */
function restWhileHidden(): void {
  clearTimeout(resting);
  if (!document.hidden) {
    if (session.get()?.authenticated === true) void follow();
    return;
  }
  resting = setTimeout(() => {
    stream?.close();
    stream = undefined;
    stopPolling();
    clearTimeout(retry);
  }, HIDDEN_MS);
}

async function startAgain(): Promise<void> {
  await refreshSession();
  if (session.get() === null) retry = setTimeout(() => void startAgain(), POLL_MS);
}

async function follow(): Promise<void> {
  if (stream !== undefined) return;
  open();
  await refresh();
}

function open(): void {
  const source = new EventSource("/api/events");
  stream = source;
  source.addEventListener("open", () => {
    const missed = connection.get().state === "lost" || connection.get().state === "polling";
    refusals = 0;
    stopPolling();
    alive("live");
    if (missed) void refresh();
  });
  source.addEventListener("error", () => interrupted(source));
  listen<ApplianceStatus>(source, "status", (value) => status.set(value));
  listen<OperationView>(source, "operation", takeOperation);
  listen<unknown>(source, "updates", () => updatesChanged.update((count) => count + 1));
  listen<{ operationId: string; entry: JournalEntry }>(source, "journal", (value) => journal.set(value));
}

function listen<T>(source: EventSource, type: string, take: (value: T) => void): void {
  source.addEventListener(type, (event) => {
    alive("live");
    try {
      take(JSON.parse(event.data) as T);
    } catch {
      void refresh();
    }
  });
}

/** A stream that is only interrupted reconnects itself; one that was refused is opened again by us. */
function interrupted(source: EventSource): void {
  loseSoon();
  if (source.readyState !== EventSource.CLOSED || stream !== source) return;
  source.close();
  stream = undefined;
  refusals += 1;
  if (refusals >= 2) startPolling();
  clearTimeout(retry);
  retry = setTimeout(() => void refreshSession(), Math.min(15_000, 1_000 * 2 ** refusals));
}

function startPolling(): void {
  polling ??= setInterval(async () => {
    if (await refresh()) alive("polling");
  }, POLL_MS);
}

function stopPolling(): void {
  clearInterval(polling);
  polling = undefined;
}

function alive(state: "live" | "polling"): void {
  clearTimeout(grace);
  grace = undefined;
  if (connection.get().state !== state) connection.set({ state });
}

function loseSoon(): void {
  if (connection.get().state === "lost") return;
  grace ??= setTimeout(() => {
    grace = undefined;
    connection.set({ state: "lost", since: new Date().toISOString() });
  }, GRACE_MS);
}

function stop(): void {
  stream?.close();
  stream = undefined;
  stopPolling();
  clearTimeout(retry);
  status.set(null);
  config.set(null);
  operation.set(null);
  alive("live");
}

function newest(operations: readonly OperationView[]): OperationView | undefined {
  return [...operations].sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1))[0];
}
