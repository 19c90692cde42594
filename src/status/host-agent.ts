/**
 * What the host agent tells of the box, over its Unix socket: what a pod cannot see by itself. Untrusted in form: bounded and
 * checked. An agent that is not there, silent or strange counts as not there; the status says nothing about it then.
 *
 * @see the document of the agent, `GET /v1/facts`, schema alga.appliance.host-facts/v1
 */
import { z } from "zod";
import { readBody } from "../core/body.ts";
import { withDeadline } from "../core/deadline.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { Clock, Fetch } from "../core/ports.ts";

const MAX_BYTES = 256 * 1024;
const TIMEOUT_MS = 3_000;
const MAX_DISKS = 16;

const bytes = z.number().nonnegative().finite();

/** Of the facts only what the status uses; more fields may come with any version of the agent. */
const factsSchema = z.object({
  schema: z.literal("alga.appliance.host-facts/v1"),
  memory: z.object({ totalBytes: bytes, availableBytes: bytes }).nullish(),
  k3s: z.object({ unit: z.enum(["active", "activating", "failed", "inactive", "unknown"]).catch("unknown") }).nullish(),
  disks: z
    .array(
      z.object({
        path: z.string().max(4_096),
        totalBytes: bytes,
        freeBytes: bytes,
        device: z.string().max(400).nullish(),
        smart: z.enum(["passed", "failed"]).nullish().catch(null),
      }),
    )
    .max(256)
    .catch([]),
  time: z.object({ server: z.string().max(400).nullish(), offsetMs: z.number().finite().nullish() }).nullish(),
});

export type AgentFacts = z.infer<typeof factsSchema>;

/**
 * Asks the agent once; undefined when it does not answer, answers something else, or there is none.
 *
 * @throws {ApplianceError} internal/aborted when the signal fires.
 */
export async function askAgent(
  clock: Pick<Clock, "after">,
  fetch: Fetch,
  signal: AbortSignal,
): Promise<AgentFacts | undefined> {
  try {
    const work = (limit: AbortSignal) => readFacts(fetch, limit);
    return await withDeadline(clock, TIMEOUT_MS, { what: "the host agent", parent: signal, work });
  } catch (thrown) {
    if (signal.aborted || !isApplianceError(thrown)) throw thrown;
    return undefined;
  }
}

async function readFacts(fetch: Fetch, signal: AbortSignal): Promise<AgentFacts | undefined> {
  const response = await fetch(new Request("http://host-agent/v1/facts", { signal }));
  if (response.status !== 200) {
    await response.body?.cancel();
    return undefined;
  }
  const body = await readBody(response.body, { maxBytes: MAX_BYTES, tooLarge, signal });
  const parsed = factsSchema.safeParse(parseJson(body, { what: "facts of the host", maxBytes: MAX_BYTES }));
  return parsed.success ? { ...parsed.data, disks: parsed.data.disks.slice(0, MAX_DISKS) } : undefined;
}

function tooLarge(): ApplianceError {
  return new ApplianceError(
    "json/too-large",
    `Cannot read the facts of the host: they are longer than ${MAX_BYTES} bytes`,
  );
}
