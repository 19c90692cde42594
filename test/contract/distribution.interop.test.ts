/** The registry contract on distribution 3. */
import { startDistribution3, toolsMissing } from "../support/real-tools.ts";
import { realRegistryContract } from "./real-registry.ts";

realRegistryContract({
  name: "distribution 3",
  start: startDistribution3,
  // Its referrers API is not there (version 3.1 answers 404), so the fallback tag is met here too.
  lacks: ["referrers"],
  skip: toolsMissing("distribution"),
});
