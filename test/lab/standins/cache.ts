// The cache stand-in: answers PING as Redis does, nothing more.

import { createServer } from "node:net";
import { log } from "./plumbing.ts";

export function serveCache(): void {
  createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => socket.write("+PONG\r\n"));
  }).listen(6379, () => log("cache (stand-in) answers on 6379"));
}
