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

/** The network of a box on which all is well, for what looks at it before anything is changed. */
export const CALM_NETWORK: Deps["network"] = {
  nameServers: async () => ["192.0.2.53"],
  resolve: async () => ["192.0.2.1"],
  addresses: async () => ["192.0.2.10"],
  isListening: async () => false,
  certificate: absent,
};
