/**
 * One watch stream as an async generator: lines of JSON, bounded, with a limit on silence.
 *
 * A quiet stream and one that hangs (a connection that some middle box forgot) look the same: the protocol has no sign of life
 * of its own, bookmarks come about once a minute and not for every kind. So each watch is asked to end after half a minute, and
 * one that has not ended some seconds later is dead: a hang costs 40 s at most. Going on where it ended costs one request. What
 * knows better sooner may end it: `status/kubelet-watch.ts` does, by the Leases that kubelets renew every 10 s. A stream that is
 * cut, refused or answered in part is noticed at once. What comes after the end of a stream (resume, relist) is
 * `watch-cache.ts`' business.
 *
 * @see Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks"
 */
import { abortReason } from "../core/deadline.ts";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import type { Clock } from "../core/ports.ts";
import type { Target, WatchOptions } from "./calls.ts";
import { errorOfStatus, errorOfTransport } from "./errors.ts";
import { selectorsOf, withKind } from "./list.ts";
import { isKubeObject, numberAt, textAt, type WatchEvent } from "./model.ts";
import type { Transport } from "./transport.ts";

/** 4 MiB: etcd refuses objects beyond 1.5 MiB, JSON on the wire is at most about twice that. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** How long a watch is asked to last. */
const SECONDS = 30;
/** How much longer it may be silent: a busy server ends its streams late. */
const LATE_MS = 10_000;
const METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const TYPES = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"] as const;

/** Streams events until the server ends the stream. Stopping to read closes the connection. */
export async function* watchObjects(
  deps: { readonly clock: Clock },
  transport: Transport,
  target: Target,
  options: WatchOptions,
): AsyncGenerator<WatchEvent> {
  const stop = new AbortController();
  const timeoutSeconds = options.timeoutSeconds ?? SECONDS;
  const maxSilenceMs = timeoutSeconds * 1000 + LATE_MS;
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
  try {
    const body = await transport.open(
      {
        attempt: target.attempt,
        method: "GET",
        path: target.path,
        query: {
          ...selectorsOf(options),
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: options.resourceVersion,
          timeoutSeconds,
        },
        ...(options.metadataOnly === true ? { accept: METADATA_ONLY } : {}),
      },
      signal,
    );
    options.onOpen?.();
    for await (const line of readLines(deps, body, { target, signal, server: transport.server, maxSilenceMs })) {
      yield eventOf(line, target);
    }
  } finally {
    stop.abort();
  }
}

interface Reading {
  readonly target: Target;
  readonly signal: AbortSignal;
  readonly server: string;
  readonly maxSilenceMs: number;
}

async function* readLines(
  deps: { readonly clock: Clock },
  body: ReadableStream<Uint8Array>,
  reading: Reading,
): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await nextChunk(deps, reader, reading);
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_LINE_BYTES) throw tooLong(reading.target);
      for (const line of lines) if (line.trim() !== "") yield line;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function nextChunk(
  deps: { readonly clock: Clock },
  reader: ReadableStreamDefaultReader<Uint8Array>,
  reading: Reading,
): Promise<{ readonly value?: Uint8Array | undefined; readonly done: boolean }> {
  let stop = (): void => {};
  const interrupted = new Promise<never>((_resolve, reject) => {
    const fail = (): void => reject(abortReason(reading.signal));
    const cancel = deps.clock.after(reading.maxSilenceMs, () => reject(silent(reading)));
    if (reading.signal.aborted) fail();
    reading.signal.addEventListener("abort", fail, { once: true });
    stop = () => {
      cancel();
      reading.signal.removeEventListener("abort", fail);
    };
  });
  try {
    return await Promise.race([reader.read(), interrupted]);
  } catch (thrown) {
    throw reading.signal.aborted
      ? abortReason(reading.signal)
      : errorOfTransport(reading.target.attempt, thrown, reading.server);
  } finally {
    stop();
  }
}

function eventOf(line: string, target: Target): WatchEvent {
  const raw = parseLine(line);
  if (!isPlainObject(raw)) throw unexpected(target);
  if (raw.type === "ERROR") {
    throw errorOfStatus(target.attempt, { status: numberAt(raw.object, "code") ?? 500, body: raw.object });
  }
  const type = TYPES.find((known) => known === raw.type);
  if (type === undefined || !isPlainObject(raw.object)) throw unexpected(target);
  if (type === "BOOKMARK") return bookmark(target, textAt(raw.object, "metadata", "resourceVersion") ?? "");
  const object = withKind(raw.object, target);
  if (!isKubeObject(object)) throw unexpected(target);
  return { type, object };
}

function bookmark(target: Target, resourceVersion: string): WatchEvent {
  const { apiVersion, kind } = target.kind;
  return { type: "BOOKMARK", object: { apiVersion, kind, metadata: { name: "", resourceVersion } } };
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function silent(reading: Reading): ApplianceError {
  return new ApplianceError("net/timeout", `Cannot watch ${reading.target.attempt.what}: the stream is silent`);
}

function tooLong(target: Target): ApplianceError {
  return new ApplianceError(
    "kube/too-large",
    `Cannot watch ${target.attempt.what}: an event has more than ${MAX_LINE_BYTES} characters, a smaller one is wanted`,
  );
}

function unexpected(target: Target): ApplianceError {
  return new ApplianceError(
    "kube/unexpected-answer",
    `Cannot watch ${target.attempt.what}: a line is no watch event, an answer of a Kubernetes API is wanted`,
  );
}
