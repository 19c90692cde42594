/** The end of a container's log, bounded twice: by the kubelet (lines, bytes) and by ourselves. */
import type { LogOptions, PodRef } from "./calls.ts";
import type { Transport } from "./transport.ts";

/** Reads a log. `limitBytes` counts from the start of the tail, so a long last line may be cut. */
export async function readLogs(transport: Transport, ref: PodRef, options: LogOptions): Promise<string> {
  const place = `/api/v1/namespaces/${encodeURIComponent(ref.namespace)}/pods/${encodeURIComponent(ref.pod)}/log`;
  const rule = { verb: "get", group: "", resource: "pods/log", namespace: ref.namespace, name: ref.pod };
  return await transport.text({
    attempt: { doing: "read the log of", what: `Pod "${ref.namespace}/${ref.pod}"`, rule },
    method: "GET",
    path: place,
    query: {
      container: ref.container,
      tailLines: options.tailLines,
      limitBytes: options.limitBytes,
      previous: options.previous === true ? true : undefined,
    },
    accept: "*/*",
    // The kubelet's bound is not exact to the byte.
    maxBytes: options.limitBytes + 64 * 1024,
    signal: options.signal,
  });
}
