/** The flag that names the cluster, for every command that works on one. */
import type { Flag } from "./command.ts";

export const KUBECONFIG_FLAG: Flag = {
  name: "kubeconfig",
  type: "string",
  value: "<file>",
  summary: "Kubeconfig of the cluster",
};
