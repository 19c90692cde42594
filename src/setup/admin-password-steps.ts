/**
 * The steps of a new administrator's password: a job of the application's image runs the application's own script.
 *
 * @see reference/host-service.md section 11; reference/iso-scripts-flux.md section 9.3 (the script's environment)
 */
import type { RetryPolicy } from "../core/retry.ts";
import { type DescribedStep, type StepResult, type StepRow, stepError, stepOfRow } from "../operation/step.ts";
import { type AppJobEnd, removeAppJobs, runAppJob } from "./app-job.ts";
import type { SetupContext, StepCall } from "./context.ts";
import { APP_NAMESPACE, secretValues, TENANT_SECRET } from "./objects.ts";
import type { SetupDeps } from "./ports.ts";

const MINUTE_MS = 60_000;
/** The script's own failure is told at once; a pod that could not start is worth another try. */
const FEW: RetryPolicy = { attempts: 2, baseMs: 5_000, maxMs: 15_000 };
const COMPONENT = "initial-admin-password-reset";
const SCRIPT = "/app/server/scripts/appliance-reset-admin-password.mjs";

const ROWS: readonly StepRow<SetupContext>[] = [
  {
    id: "job",
    title: "Set the password",
    about: "A job of the application sets it for the administrator of setup.",
    budgetMs: 5 * MINUTE_MS,
    retry: FEW,
    work: setPassword,
  },
  {
    id: "clean",
    title: "Remove what was needed for it",
    about: "The password leaves this box.",
    budgetMs: 2 * MINUTE_MS,
    retry: FEW,
    work: async ({ context, signal }) => {
      await removeRemains(context.deps, signal);
      return { state: "done" };
    },
  },
];

export const ADMIN_PASSWORD_STEPS: readonly DescribedStep<SetupContext>[] = ROWS.map(stepOfRow);

/**
 * Deletes every job and Secret of this kind, and the password on the disk. Safe to call again; nothing is there afterwards.
 *
 * @throws {ApplianceError} kube/ errors; the password leaves the disk last.
 */
export async function removeRemains(deps: Pick<SetupDeps, "kube" | "store">, signal: AbortSignal): Promise<void> {
  await removeAppJobs(deps, COMPONENT, signal);
  await deps.store.removeSecret("new-admin-password");
}

async function setPassword(call: StepCall): Promise<StepResult> {
  const { deps, operationId } = call.context;
  const password = await deps.store.readSecret("new-admin-password");
  if (password === undefined) throw notKept();
  const tenant = { apiVersion: "v1", kind: "Secret", namespace: APP_NAMESPACE, name: TENANT_SECRET };
  const known = secretValues(await deps.kube.get(tenant, { signal: call.signal }));
  const end = await runAppJob(call, {
    name: `alga-admin-password-reset-${operationId}`,
    component: COMPONENT,
    deed: "set the password",
    command: ({ scripts }) => ["node", scripts?.resetAdminPassword ?? SCRIPT],
    environment: {
      RESET_ADMIN_PASSWORD: password,
      RESET_ADMIN_EMAIL: known.INITIAL_ADMIN_EMAIL ?? "",
      RESET_ADMIN_TENANT_ID: known.INITIAL_TENANT_ID ?? "",
    },
    secret: password,
  });
  if (end.completed) return { state: "done" };
  throw failure(end);
}

function notKept(): Error {
  return stepError({
    code: "setup/step-failed",
    message: "Cannot set the password: it is not kept any more",
    hint: "Cancel this, and choose a password again",
    retrySafe: false,
    fields: [],
    evidence: [],
  });
}

/** What the script said last, redacted; never what it was given. */
function failure({ said, why, ref }: AppJobEnd): Error {
  return stepError({
    code: "setup/step-failed",
    message: `Cannot set the password of the administrator: ${said.at(-1) ?? why}`,
    hint: "Look at the log of the job. The administrator must exist once in the application; try again afterwards",
    retrySafe: true,
    fields: [],
    evidence: said.length === 0 ? [] : [{ ref: `Job ${ref.namespace}/${ref.name}`, text: said.join("\n") }],
  });
}
