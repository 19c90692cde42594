/** The registry contract on Debian's docker-registry. */
import { dockerRegistryMissing, startDockerRegistry } from "../support/docker-registry.ts";
import { realRegistryContract } from "./real-registry.ts";

realRegistryContract({
  name: "docker-registry",
  start: startDockerRegistry,
  lacks: ["referrers", "tag pages", "chunk order"],
  skip: dockerRegistryMissing(),
});
