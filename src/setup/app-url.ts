/**
 * The address of the application: what an operator types, and the one form in which the appliance keeps it.
 *
 * Scheme https unless written, host in lower case and ASCII (IDN as punycode), port kept, nothing behind it. What cannot
 * be used is told with what to write instead; nothing is guessed.
 */
import { isIPv4, isIPv6 } from "../core/ip.ts";

export interface AppUrl {
  /** "https://psa.example.com:8443", no slash at the end. */
  readonly url: string;
  /** "psa.example.com:8443": host with its port where it has one. */
  readonly host: string;
}

export interface AppUrlProblem {
  readonly code: string;
  readonly detail: string;
}

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const EXAMPLE = "https://psa.example.com";

/** Reads an address; a problem says what to write instead. */
export function parseAppUrl(text: string): AppUrl | AppUrlProblem {
  const typed = text.trim();
  const schemed = /^([a-z][a-z0-9+.-]*):\/\//i.exec(typed);
  const scheme = schemed?.[1]?.toLowerCase() ?? "https";
  if (scheme !== "http" && scheme !== "https") {
    return refuse("scheme", `Write an address that starts with https:// or http://, not ${scheme}://.`);
  }
  const rest = schemed === null ? typed : typed.slice(schemed[0].length);
  return shapeProblem(rest) ?? parseHost(scheme, rest.replace(/\/$/, ""));
}

/** Looks at the text itself: the URL parser would repair or hide what is asked about here. */
function shapeProblem(rest: string): AppUrlProblem | undefined {
  if (/[\s\p{Cc}\\]/u.test(rest)) return refuse("character", `Write the address without spaces: ${EXAMPLE}.`);
  if (rest.includes("@")) return refuse("user", "Write the address without a user name or password before the host.");
  if (rest.includes("?") || rest.includes("#"))
    return refuse("query", "Write the address without ? or # and what follows.");
  if (/\/./.test(rest)) {
    return refuse("path", `Write the address without a path: the application lives at the top, like ${EXAMPLE}.`);
  }
  return undefined;
}

function parseHost(scheme: string, host: string): AppUrl | AppUrlProblem {
  const url = URL.canParse(`${scheme}://${host}`) ? new URL(`${scheme}://${host}`) : undefined;
  if (url === undefined || url.port === "0" || /:$/.test(host)) {
    return refuse(
      "host",
      `Write a host name or an IP address, with a port from 1 to 65535 where it needs one: ${EXAMPLE}.`,
    );
  }
  const typedName = host.replace(/:\d+$/, "").toLowerCase();
  const name = url.hostname.replace(/\.$/, "");
  if (isIPv4(name) && typedName !== name) return refuse("host", `Write the IP address as four numbers: ${name}.`);
  if (!isUsableHost(name)) {
    return refuse("host", `Write a host name of letters, digits and hyphens between dots: ${EXAMPLE}.`);
  }
  const port = url.port === "" ? "" : `:${url.port}`;
  return { url: `${scheme}://${name}${port}`, host: `${name}${port}` };
}

function isUsableHost(name: string): boolean {
  if (name.startsWith("[")) return isIPv6(name.slice(1, -1));
  return isIPv4(name) || (name.length > 0 && name.length <= 253 && name.split(".").every((label) => LABEL.test(label)));
}

function refuse(code: string, detail: string): AppUrlProblem {
  return { code, detail };
}
