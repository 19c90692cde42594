/** A reader of event streams, as browsers read them: one event after the other, with its id. */

export interface ServerEvent {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
}

/** Yields the events of a stream until it ends or the caller leaves the loop; what was read is added to `said`. */
export async function* openEvents(
  url: string,
  headers: Readonly<Record<string, string>>,
  said: string[],
): AsyncGenerator<ServerEvent> {
  const leave = new AbortController();
  const response = await fetch(url, { headers: { accept: "text/event-stream", ...headers }, signal: leave.signal });
  if (response.status !== 200) throw new Error(`the stream answers ${response.status}: ${await response.text()}`);
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        said.push(block);
        const event = eventOf(block);
        if (event !== undefined) yield event;
      }
    }
  } finally {
    leave.abort();
  }
}

/** @see HTML standard, "Interpreting an event stream"; comments and retry lines are no events. */
function eventOf(block: string): ServerEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1).replace(/^ /, ""));
  }
  const data = fields.get("data");
  if (data === undefined) return undefined;
  return { id: fields.get("id") ?? "", type: fields.get("event") ?? "message", data: JSON.parse(data) };
}
