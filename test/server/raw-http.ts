/** Bytes over a real socket, as a hostile or broken client sends them. */
import { connect, type Socket } from "node:net";

export interface RawAnswer {
  /** 0: closed without an answer. */
  readonly status: number;
  readonly text: string;
  /** The server closed the connection; false: the time was over. */
  readonly closed: boolean;
}

export interface RawOptions {
  readonly timeoutMs?: number;
  readonly onSocket?: (socket: Socket) => void;
}

/** Sends bytes and collects what comes until the server closes. */
export function sendRaw(port: number, bytes: string | Uint8Array, options: RawOptions = {}): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const finish = (closed: boolean) => (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text, closed });
    };
    const timer = setTimeout(finish(false), options.timeoutMs ?? 3_000);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", finish(true));
    socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    options.onSocket?.(socket);
  });
}

/** A GET with these lines after the request line; closes afterwards. */
export function get(target: string, lines: readonly string[] = ["Host: box"]): string {
  return [`GET ${target} HTTP/1.1`, ...lines, "Connection: close", "", ""].join("\r\n");
}
