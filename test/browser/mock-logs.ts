/** The logs of the mock box: a tail, and streams that a test lets grow, break and end. */
import type { ServerResponse } from "node:http";
import { mockLog } from "./mock-inventory.ts";

export interface MockLogs {
  /** Answers a follower with all lines so far, or with those after its last id. */
  open(response: ServerResponse, lastId: string | undefined): void;
  /** Tells every follower, and keeps the lines for the next one. */
  write(lines: readonly string[], left?: number): void;
  /** The container has ended, or cannot be read. */
  end(problem?: { readonly code: string; readonly message: string; readonly hint?: string }): void;
  /** Cuts the connections without a word. */
  cut(): void;
  followers(): number;
}

export function createMockLogs(): MockLogs {
  const followers = new Set<ServerResponse>();
  const lines: string[] = [...mockLog().lines];
  const tell = (response: ServerResponse, piece: readonly string[], left = 0): void => {
    const data = JSON.stringify({ lines: piece, left });
    response.write(`id: ${lines.length}\nevent: log\ndata: ${data}\n\n`);
  };
  return {
    open(response, lastId) {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.write("retry: 200\n\n");
      followers.add(response);
      response.on("close", () => followers.delete(response));
      tell(response, lines.slice(Number(lastId ?? 0)));
    },
    write(more, left = 0) {
      lines.push(...more);
      for (const response of followers) tell(response, more, left);
    },
    end(problem) {
      for (const response of followers) {
        if (problem !== undefined) response.write(`event: problem\ndata: ${JSON.stringify(problem)}\n\n`);
        response.write(
          `event: end\ndata: ${JSON.stringify({ reason: problem === undefined ? "ended" : "problem" })}\n\n`,
        );
      }
    },
    cut() {
      for (const response of followers) response.destroy();
      followers.clear();
    },
    followers: () => followers.size,
  };
}
