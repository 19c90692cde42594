/** The `Random` port on the runtime's own generators. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Random } from "../core/ports.ts";

export const systemRandom: Random = {
  bytes: (count) => new Uint8Array(randomBytes(count)),
  uuid: () => randomUUID(),
  fraction: () => Math.random(),
};
