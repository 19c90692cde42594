/**
 * All checks, root causes first: a check may explain only those after it (or the same check on a higher rung; see `judge.ts`), so what
 * explains what can never go round in a circle.
 */
import { BOOTSTRAP_CHECKS } from "./bootstrap.ts";
import { FLUX_HELM_CHECKS } from "./flux-helm.ts";
import { FLUX_KUSTOMIZATION_CHECKS } from "./flux-kustomization.ts";
import { FLUX_SOURCE_CHECKS } from "./flux-source.ts";
import { HOST_CHECKS, UNIT_CHECKS } from "./host.ts";
import { IMAGE_CHECKS } from "./images.ts";
import { KUBERNETES_CHECKS } from "./kubernetes.ts";
import { LOGIN_CHECKS } from "./login.ts";
import { NAME_CHECKS } from "./names.ts";
import { NETWORK_CHECKS } from "./network.ts";
import { NODE_CHECKS } from "./node.ts";
import { OPERATION_CHECKS } from "./operation.ts";
import { CHART_CHECKS, PART_CHECKS } from "./parts.ts";
import { POD_RUN_CHECKS } from "./pods-run.ts";
import { POD_START_CHECKS } from "./pods-start.ts";
import type { CheckRule } from "./rule.ts";
import { STORAGE_CHECKS } from "./storage.ts";
import { WORKLOAD_CHECKS } from "./workloads.ts";

export const CHECKS: readonly CheckRule[] = [
  ...UNIT_CHECKS,
  ...KUBERNETES_CHECKS,
  ...HOST_CHECKS,
  ...NODE_CHECKS,
  ...NAME_CHECKS,
  ...NETWORK_CHECKS,
  ...FLUX_SOURCE_CHECKS,
  ...STORAGE_CHECKS,
  ...IMAGE_CHECKS,
  ...POD_START_CHECKS,
  ...BOOTSTRAP_CHECKS,
  ...POD_RUN_CHECKS,
  ...WORKLOAD_CHECKS,
  ...PART_CHECKS,
  ...CHART_CHECKS,
  ...FLUX_HELM_CHECKS,
  ...FLUX_KUSTOMIZATION_CHECKS,
  ...LOGIN_CHECKS,
  ...OPERATION_CHECKS,
];
