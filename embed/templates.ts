/**
 * The `flux/` tree as the executable carries it: path below `flux/` -> text.
 *
 * Text imports work alike in Bun, in the compiled executable and in Deno; a missing file fails the build.
 */
import baseBackgroundKustomization from "../flux/base/background/kustomization.yaml" with { type: "text" };
import baseChartsSources from "../flux/base/charts/sources.yaml" with { type: "text" };
import baseCoreKustomization from "../flux/base/core/kustomization.yaml" with { type: "text" };
import baseFluxKustomizations from "../flux/base/flux/kustomizations.yaml" with { type: "text" };
import baseKustomization from "../flux/base/kustomization.yaml" with { type: "text" };
import baseNamespaces from "../flux/base/namespaces.yaml" with { type: "text" };
import basePlatformKustomization from "../flux/base/platform/kustomization.yaml" with { type: "text" };
import basePlatformRbac from "../flux/base/platform/rbac.yaml" with { type: "text" };
import baseReleasesAlgaCore from "../flux/base/releases/alga-core.yaml" with { type: "text" };
import baseReleasesEmailService from "../flux/base/releases/email-service.yaml" with { type: "text" };
import baseReleasesPgbouncer from "../flux/base/releases/pgbouncer.yaml" with { type: "text" };
import baseReleasesTemporal from "../flux/base/releases/temporal.yaml" with { type: "text" };
import baseReleasesTemporalWorker from "../flux/base/releases/temporal-worker.yaml" with { type: "text" };
import baseReleasesWorkflowWorker from "../flux/base/releases/workflow-worker.yaml" with { type: "text" };
import profilesSingleNodeKustomization from "../flux/profiles/single-node/kustomization.yaml" with { type: "text" };
import profilesSingleNodeValuesAlgaCoreSingleNode from "../flux/profiles/single-node/values/alga-core.single-node.yaml" with {
  type: "text",
};
import profilesSingleNodeValuesEmailServiceSingleNode from "../flux/profiles/single-node/values/email-service.single-node.yaml" with {
  type: "text",
};
import profilesSingleNodeValuesPgbouncerSingleNode from "../flux/profiles/single-node/values/pgbouncer.single-node.yaml" with {
  type: "text",
};
import profilesSingleNodeValuesTemporalSingleNode from "../flux/profiles/single-node/values/temporal.single-node.yaml" with {
  type: "text",
};
import profilesSingleNodeValuesTemporalWorkerSingleNode from "../flux/profiles/single-node/values/temporal-worker.single-node.yaml" with {
  type: "text",
};
import profilesSingleNodeValuesWorkflowWorkerSingleNode from "../flux/profiles/single-node/values/workflow-worker.single-node.yaml" with {
  type: "text",
};

/** Path below `flux/` -> YAML text. */
export const FLUX_TEMPLATES: Readonly<Record<string, string>> = {
  "base/background/kustomization.yaml": baseBackgroundKustomization,
  "base/charts/sources.yaml": baseChartsSources,
  "base/core/kustomization.yaml": baseCoreKustomization,
  "base/flux/kustomizations.yaml": baseFluxKustomizations,
  "base/kustomization.yaml": baseKustomization,
  "base/namespaces.yaml": baseNamespaces,
  "base/platform/kustomization.yaml": basePlatformKustomization,
  "base/platform/rbac.yaml": basePlatformRbac,
  "base/releases/alga-core.yaml": baseReleasesAlgaCore,
  "base/releases/email-service.yaml": baseReleasesEmailService,
  "base/releases/pgbouncer.yaml": baseReleasesPgbouncer,
  "base/releases/temporal-worker.yaml": baseReleasesTemporalWorker,
  "base/releases/temporal.yaml": baseReleasesTemporal,
  "base/releases/workflow-worker.yaml": baseReleasesWorkflowWorker,
  "profiles/single-node/kustomization.yaml": profilesSingleNodeKustomization,
  "profiles/single-node/values/alga-core.single-node.yaml": profilesSingleNodeValuesAlgaCoreSingleNode,
  "profiles/single-node/values/email-service.single-node.yaml": profilesSingleNodeValuesEmailServiceSingleNode,
  "profiles/single-node/values/pgbouncer.single-node.yaml": profilesSingleNodeValuesPgbouncerSingleNode,
  "profiles/single-node/values/temporal-worker.single-node.yaml": profilesSingleNodeValuesTemporalWorkerSingleNode,
  "profiles/single-node/values/temporal.single-node.yaml": profilesSingleNodeValuesTemporalSingleNode,
  "profiles/single-node/values/workflow-worker.single-node.yaml": profilesSingleNodeValuesWorkflowWorkerSingleNode,
};
