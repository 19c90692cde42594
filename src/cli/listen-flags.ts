/** Where a verb that serves listens: the two flags, alike everywhere, and how a port is read. */
import { ApplianceError } from "../core/errors.ts";
import type { Flag } from "./command.ts";

const MAX_PORT = 65_535;
const DEFAULT_TLS_PORT = 8443;

/** `--listen` and `--port` with the defaults of one verb. */
export function listenFlags(defaults: { readonly listen: string; readonly port: string }): readonly Flag[] {
  return [
    {
      name: "listen",
      type: "string",
      value: "<address>",
      summary: "Interface to listen on",
      fallback: defaults.listen,
    },
    {
      name: "port",
      type: "string",
      value: "<port>",
      summary: "Port to listen on; 0 takes a free one",
      fallback: defaults.port,
    },
  ];
}

/** `--tls-port` of the two verbs that serve the page. */
export const TLS_PORT_FLAG: Flag = {
  name: "tls-port",
  type: "string",
  value: "<port>",
  summary: 'Port of the page over TLS; 0 takes a free one, "none" serves plain only',
  fallback: "8443; none with --port 0",
};

/**
 * Port of the page over TLS: as asked, else 8443, else none where the plain page takes any free port.
 *
 * @returns undefined for none.
 * @throws {ApplianceError} cli/usage for anything but a number from 0 to 65535 or "none".
 */
export function tlsPort(asked: string | undefined, plainPort: number): number | undefined {
  if (asked === "none") return undefined;
  if (asked !== undefined)
    return parsePort(asked, "Give --tls-port 0 to take a free one, --tls-port none to serve plain only");
  return plainPort === 0 ? undefined : DEFAULT_TLS_PORT;
}

/**
 * Reads a port.
 *
 * @param hint What to type instead.
 * @throws {ApplianceError} cli/usage for anything but a number from 0 to 65535.
 */
export function parsePort(text: string, hint = "Give --port 0 to take a free one"): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_PORT) return Number(text);
  throw new ApplianceError("cli/usage", `Cannot listen on port "${text}": a number from 0 to ${MAX_PORT} is wanted`, {
    hint,
  });
}
