/** Evidence: what was looked at and what it said, verbatim but redacted and bounded. */
import { z } from "zod";

export const evidenceSchema = z.object({
  /** What was looked at: "OCIRepository flux-system/alga-appliance". */
  ref: z.string(),
  /** What it said, verbatim, redacted, at most 2 KiB. */
  text: z.string(),
});

export type Evidence = z.infer<typeof evidenceSchema>;
