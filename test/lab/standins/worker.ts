// A worker stand-in: ready as long as every address in NEEDS (host:port, separated by commas) accepts connections.

import { createServer } from "node:http";
import { connect } from "node:net";
import { answer, log, setting } from "./plumbing.ts";

export function runWorker(): void {
  const name = setting("WORKER_NAME");
  const needs = (process.env.NEEDS ?? "").split(",").filter((address) => address !== "");
  const port = Number(process.env.PORT ?? "4000");
  createServer(async (request, response) => {
    if (request.url === "/healthz") return answer(response, 200, "{}");
    const missing = [];
    for (const address of needs) if (!(await accepts(address))) missing.push(address);
    answer(response, missing.length === 0 ? 200 : 503, JSON.stringify({ missing }));
  }).listen(port, () => log(`${name} (stand-in) answers on ${port}, needs ${needs.join(" ")}`));
}

function accepts(address: string): Promise<boolean> {
  const [host, port] = address.split(":");
  return new Promise((resolve) => {
    const socket = connect({ host: host ?? "", port: Number(port), timeout: 2_000 });
    const end = (outcome: boolean) => {
      socket.destroy();
      resolve(outcome);
    };
    socket.on("connect", () => end(true));
    socket.on("error", () => end(false));
    socket.on("timeout", () => end(false));
  });
}
