/** Helpers around child processes of tests: their first line, their end, their answers. */
import type { ChildProcess } from "node:child_process";
import { connect } from "node:net";

/** Milliseconds that a child may take to say its first line; generous, because CI machines are busy. */
const PATIENCE_MS = 60_000;

/** The first JSON line of a child's stdout, or with `whole` its whole output as one document. */
export function firstJsonLine(child: ChildProcess, options: { readonly whole?: boolean } = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`no line came: ${text}`)), PATIENCE_MS);
    const finish = (json: string): void => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(json));
      } catch (cause) {
        reject(new Error(`not JSON: ${json}`, { cause }));
      }
    };
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (options.whole !== true && text.includes("\n")) finish(text.slice(0, text.indexOf("\n")));
    });
    child.on("exit", (code) => {
      if (options.whole === true) finish(text);
      else if (!text.includes("\n")) reject(new Error(`the process ended with ${code} before its first line: ${text}`));
    });
  });
}

/** Asks until the answer is 200. */
export async function waitForOk(url: string): Promise<Response> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return answer;
    if (Date.now() > until) throw new Error(`no answer from ${url}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** The exit code of a child, once it has ended. */
export function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => (child.exitCode !== null ? resolve(child.exitCode) : child.on("exit", resolve)));
}

/** A request whose body is half sent. */
export interface Upload {
  /** Sends the rest; resolves to the whole answer as it came. */
  finish(): Promise<string>;
}

/** Posts JSON over a connection of its own and stops in the middle of the body, once the server has the first half. */
export async function openUpload(url: string, body: string): Promise<Upload> {
  const { hostname, port, host, pathname, origin } = new URL(url);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.on("data", (chunk: Buffer) => {
    answer += chunk.toString();
  });
  const ended = new Promise<string>((resolve, reject) => {
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
  const head = [
    `POST ${pathname} HTTP/1.1`,
    `Host: ${host}`,
    `Origin: ${origin}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ].join("\r\n");
  await new Promise<void>((resolve) => socket.write(`${head}\r\n\r\n${body.slice(0, 5)}`, () => resolve()));
  await waitForOk(`${origin}/healthz`);
  return {
    finish: () => {
      socket.write(body.slice(5));
      return ended;
    },
  };
}
