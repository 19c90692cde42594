/** The contract suite on the in-memory API server. */
import { kubeOver, MEMORY_SERVER, memoryKube } from "../support/kubernetes.ts";
import { CASES } from "./kubernetes-cases.ts";
import { contract, type Subject } from "./kubernetes-suite.ts";

const { server } = memoryKube();
const subject: Subject = {
  kube: (manager) => kubeOver(server.fetch, manager),
  nobody: () => kubeOver(server.as({ user: "nobody", rules: [] })),
  raw: (path, init) => server.fetch(new Request(`${MEMORY_SERVER}${path}`, init)),
  ancientVersion: async () => {
    server.compact();
    return "1";
  },
};

contract("memory", CASES, async () => subject);
