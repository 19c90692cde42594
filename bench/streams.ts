/** Readers of the event stream, and waiting for what they see. */
import { request } from "node:http";
import { pause } from "./measure.ts";

/** Opens the event stream and calls with each event as text. */
export function openStream(stage: { readonly url: string; readonly cookie: string }, call: (text: string) => void) {
  let rest = "";
  return request(`${stage.url}/api/events`, { headers: { cookie: stage.cookie }, agent: false }, (answer) => {
    answer.setEncoding("utf8");
    answer.on("data", (chunk: string) => {
      const events = (rest + chunk).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) call(event);
    });
  })
    .on("error", () => {})
    .end();
}

export async function until(what: string, holds: () => boolean): Promise<void> {
  const endsAt = performance.now() + 60_000;
  while (!holds()) {
    if (performance.now() > endsAt) throw new Error(`not in time: ${what}`);
    await pause(20);
  }
}
