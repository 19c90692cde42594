/** What a document says, without when it was said: the same text, the same news. */
import { canonicalJson } from "../core/json.ts";
import { roughHost } from "./host.ts";
import type { ApplianceStatus } from "./model.ts";

/** All of a document but its times of observation, its number, and figures of the host that move all the time. */
export function saying(status: ApplianceStatus): string {
  const host = status.host === undefined ? undefined : roughHost(status.host);
  return canonicalJson({ ...status, observedAt: "", generation: 0, host });
}
