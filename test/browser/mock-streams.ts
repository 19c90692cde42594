/** The event streams of the mock box: opened, told, cut and refused. */
import type { ServerResponse } from "node:http";

export interface MockStreams {
  open(response: ServerResponse): void;
  publish(type: string, data: unknown): void;
  close(): void;
}

export function createMockStreams(): MockStreams {
  const streams = new Set<ServerResponse>();
  let last = 0;
  return {
    open(response) {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.write("retry: 500\n: hello\n\n");
      streams.add(response);
      response.on("close", () => streams.delete(response));
    },
    publish(type, data) {
      last += 1;
      for (const stream of streams) stream.write(`id: ${last}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    close() {
      for (const stream of streams) stream.destroy();
      streams.clear();
    },
  };
}
