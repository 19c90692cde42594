/** Asks the box how the name servers answer, soon after the last key stroke. Only looks; nothing waits for it. */
import { useEffect, useState } from "preact/hooks";
import { postJson } from "../state/api.ts";
import type { Answers, NameServerReport } from "../state/wire.ts";

/** Long enough that a person who types is not asked after every letter. */
const REST_MS = 500;

export interface NameServers {
  /** The last answer for these very answers; undefined while the box is asked, or when it cannot tell. */
  readonly report: NameServerReport | undefined;
  readonly asking: boolean;
}

type NameQuestion = Pick<Answers, "dnsMode" | "dnsServers" | "appHostname">;

/** Follows the answers of the address step; a late answer to earlier words is dropped. */
export function useNameServers({ dnsMode, dnsServers, appHostname }: NameQuestion): NameServers {
  const [seen, setSeen] = useState<NameServers>({ report: undefined, asking: true });
  useEffect(() => {
    let current = true;
    setSeen({ report: undefined, asking: true });
    const timer = setTimeout(async () => {
      const typed = Object.entries({ dnsMode, dnsServers, appHostname }).map(([field, value]) => [field, value.trim()]);
      const body = Object.fromEntries(typed.filter(([, value]) => value !== ""));
      const answered = await postJson<NameServerReport>("/api/setup/name-servers", body);
      if (current) setSeen({ report: answered.ok ? answered.value : undefined, asking: false });
    }, REST_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [dnsMode, dnsServers, appHostname]);
  return seen;
}
