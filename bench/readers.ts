/**
 * Memory of the event stream: two hundred readers that get twenty documents of 32 KiB, beside what the server takes by itself. By
 * itself means: it has answered some requests. One that nobody has asked anything has not yet compiled what answers.
 */
import { join } from "node:path";
import { linesOf, play } from "./health.ts";
import { pause, type Row, residentMegabytes, row, stop } from "./measure.ts";
import { openStream, until } from "./streams.ts";

const READERS = 200;
const DOCUMENTS = 20;
const WARM_REQUESTS = 200;
const WHAT = `${READERS} readers of /api/events: memory beside the server's own`;

interface Grown {
  readonly resident: number;
  readonly heap: number;
}

/** Ours and a bare `node:http` server that sends the same, each in a process of its own. */
export async function readersMemory(): Promise<Row[]> {
  const [ours, peer] = [await grown("ours"), await grown("bare")];
  const more = { unit: "MB", note: `a bare node:http server that sends the same ${DOCUMENTS} documents` };
  return [
    row(`${WHAT}, resident`, ours.resident, peer.resident, more),
    row(`${WHAT}, heap after a collection`, ours.heap, peer.heap, more),
  ];
}

async function grown(role: string): Promise<Grown> {
  const child = play([join(import.meta.dirname, "event-server.ts"), role, String(DOCUMENTS)]);
  try {
    const { url, cookie } = (await linesOf(child).first) as { readonly url: string; readonly cookie: string };
    const weigh = async (): Promise<Grown> => {
      const resident = residentMegabytes(child.pid ?? 0);
      const { heap } = (await (await fetch(`${url}/weigh`)).json()) as { readonly heap: number };
      return { resident, heap: heap / 1e6 };
    };
    for (let index = 0; index < WARM_REQUESTS; index += 1)
      await (await fetch(`${url}/api/session`, { headers: { cookie } })).arrayBuffer();
    await pause(500);
    const before = await weigh();
    const seen = { greeted: 0, documents: 0 };
    const count = (text: string): void => {
      if (text.startsWith("event: journal") || text.includes("\nevent: journal")) seen.documents += 1;
      else if (text.includes("event: status")) seen.greeted += 1;
    };
    const streams = Array.from({ length: READERS }, () => openStream({ url, cookie }, count));
    await until("all are greeted", () => seen.greeted === READERS);
    await fetch(`${url}/send`);
    await until("all have all", () => seen.documents === READERS * DOCUMENTS);
    const after = await weigh();
    for (const stream of streams) stream.destroy();
    return { resident: after.resident - before.resident, heap: after.heap - before.heap };
  } finally {
    await stop(child);
  }
}
