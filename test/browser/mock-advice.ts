/** What the mock box answers beside the installation: the rehearsal's failures, and how the name servers answer. */
import { SCENARIOS } from "../../src/rehearsal/faults.ts";
import type { NameServerReport, RehearsalView } from "../../ui/state/wire.ts";
import type { MockAnswer } from "./mock-box.ts";
import { mockInventory, mockLog, mockSamples } from "./mock-inventory.ts";

type Body = Readonly<Record<string, string>>;

/** Remembers which failure was played; nothing of the mock box follows it. */
export function createMockAdvice(): (route: string, body: Body) => MockAnswer | undefined {
  let scenario: string | null = null;
  return (route, body) => {
    if (route === "GET /api/inventory") return { status: 200, value: mockInventory() };
    if (route === "GET /api/host/history") return { status: 200, value: { samples: mockSamples() } };
    if (/^GET \/api\/pods\/[^/]+\/[^/]+\/log$/.test(route)) return { status: 200, value: mockLog() };
    if (route === "POST /api/setup/name-servers") return { status: 200, value: reportOf(body) };
    if (route === "POST /api/rehearsal") scenario = body.scenario ?? null;
    else if (route !== "GET /api/rehearsal") return undefined;
    const scenarios = SCENARIOS.map(({ name, title, about, mend }) => ({ name, title, about, mend }));
    return { status: 200, value: { scenario, scenarios } satisfies RehearsalView };
  };
}

/** The second server is dead; `.con` is nobody's ending. */
function reportOf({ appHostname, dnsMode, dnsServers = "" }: Body): NameServerReport {
  const addresses = dnsMode === "custom" ? dnsServers.split(/[,\s]+/) : ["192.168.10.1", "192.168.10.2"];
  const servers = addresses
    .filter((address) => address !== "")
    .map((address, index) =>
      index === 0
        ? { address, state: "works" as const, tookMs: 3, text: "answers" }
        : { address, state: "no-answer" as const, tookMs: 1_500, text: "no answer within 1.5 s" },
    );
  const question = "registry.example";
  if (appHostname === undefined) return { question, servers, application: null };
  const known = !appHostname.endsWith(".con");
  const application = {
    name: appHostname,
    state: known ? ("works" as const) : ("no-such-name" as const),
    addresses: known ? ["192.168.10.20"] : [],
    leadsHere: known,
    suggestion: known ? null : appHostname.replace(/con$/, "com"),
  };
  return { question, servers, application };
}
