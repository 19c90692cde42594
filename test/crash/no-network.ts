/** What a test must not ask, and the network of a box that is not asked. */
import type { Deps } from "../../src/core/ports.ts";

export const absent = (): never => {
  throw new Error("the network is not asked in this test");
};

export const NO_NETWORK: Deps["network"] = {
  nameServers: absent,
  resolve: absent,
  addresses: absent,
  isListening: absent,
  certificate: absent,
};
