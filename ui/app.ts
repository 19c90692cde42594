/** The page as a whole: who may see what, and which page an address means. */
import { useEffect } from "preact/hooks";
import { html, type VNode } from "./html.ts";
import { firstOpenStep, indexOfStep, type StepId, stepOfPath, type WizardStep } from "./model/wizard.ts";
import { AddressPage } from "./pages/address.ts";
import { ComponentPage } from "./pages/component.ts";
import { ComponentsPage } from "./pages/components.ts";
import { EventsPage } from "./pages/events.ts";
import { GatePage } from "./pages/gate.ts";
import { HelpPage } from "./pages/help.ts";
import { HostPage } from "./pages/host.ts";
import { InstallPage } from "./pages/install.ts";
import { KitPage } from "./pages/kit.ts";
import { OperationPage, OperationsPage } from "./pages/operations.ts";
import { OrganisationPage } from "./pages/organisation.ts";
import { OverviewPage } from "./pages/overview.ts";
import { RehearsalNote } from "./pages/rehearsal-note.ts";
import { ReleasePage } from "./pages/release.ts";
import { ReviewPage } from "./pages/review.ts";
import { SettingsPage } from "./pages/settings.ts";
import { Sheet } from "./pages/sheet.ts";
import { ConsoleShell, GateShell, WizardShell } from "./pages/shells.ts";
import { UpdateReviewPage } from "./pages/update-review.ts";
import { UpdatesPage } from "./pages/updates.ts";
import { WelcomePage } from "./pages/welcome.ts";
import { EmptyState } from "./parts/empty-state.ts";
import { Link } from "./parts/link.ts";
import { OfflineBar } from "./parts/offline-bar.ts";
import { PageTitle } from "./parts/page-title.ts";
import { Toasts } from "./parts/toasts.ts";
import { answers, startAnswers } from "./state/answers.ts";
import { config, connection, operation, reconnect, refreshConfig, session, status } from "./state/live.ts";
import { navigate, usePlace } from "./state/router.ts";
import { useStore } from "./state/store.ts";
import type { OperationView, SessionView, SetupConfig } from "./state/wire.ts";
import { text } from "./strings.ts";

/** The whole page: bars, contents by session and address, toasts. */
export function App(): VNode {
  const who = useStore(session);
  const link = useStore(connection);
  return html`<a class="skip-link" href="#main">${text("app.skip")}</a>
    ${who?.rehearsal === true ? html`<${RehearsalNote} who=${who} />` : undefined}
    <${OfflineBar} since=${link.state === "lost" ? link.since : undefined} onRetry=${() => void reconnect()} />
    <${Contents} who=${who} />
    <${Toasts} />`;
}

function Contents({ who }: { readonly who: SessionView | null }): VNode {
  const { path } = usePlace();
  if (who === null) return html`<${GateShell}><${Sheet} title=${text("app.asking")} live /><//>`;
  if (!who.authenticated || !who.claimed) return html`<${GatePage} session=${who} />`;
  if (path === "/login" || path === "/claim") return html`<${Redirect} to="/" />`;
  const step = stepOfPath(path);
  if (step !== undefined) return html`<${Wizard} step=${step} />`;
  if (path.startsWith("/setup/")) return html`<${Redirect} to="/setup" />`;
  return html`<${ConsoleShell}><${ConsolePage} path=${path} who=${who} /><//>`;
}

/** Pages of the console that need nothing but their address. */
const PAGES: Readonly<Record<string, () => VNode>> = {
  "/components": ComponentsPage,
  "/operations": OperationsPage,
  "/host": HostPage,
  "/events": EventsPage,
  "/updates": UpdatesPage,
  "/updates/review": UpdateReviewPage,
  "/settings": SettingsPage,
};

function ConsolePage({ path, who }: { readonly path: string; readonly who: SessionView }): VNode {
  const run = useStore(operation);
  const known = useStore(status);
  if (path === "/" || path === "/overview") {
    const decided = known !== null && who.mode === "setup" && run === null;
    return decided ? html`<${Redirect} to="/setup" />` : html`<${OverviewPage} />`;
  }
  const page = path === "/ui-kit" && who.rehearsal ? KitPage : PAGES[path];
  if (page !== undefined) return html`<${page} />`;
  return html`<${ItemPage} path=${path} />`;
}

/** One of many: a component by its name, an operation by its id, a page of the guide by its code. */
function ItemPage({ path }: { readonly path: string }): VNode {
  const [, room, id = "", name = ""] = path.split("/");
  if (room === "components" && id !== "") return html`<${ComponentPage} name=${decoded(id)} key=${id} />`;
  if (room === "operations" && id !== "") return html`<${OperationPage} id=${decoded(id)} key=${id} />`;
  if (room === "help" && name !== "") return html`<${HelpPage} code=${`${id}/${name}`} key=${path} />`;
  return html`<${PageTitle} title=${text("app.unknown")} /><${EmptyState} message=${text("app.unknown-about")}>
    <${Link} to="/" button="primary">${text("install.to-overview")}<//><//>`;
}

/** A part of an address that somebody typed may be no valid escape. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Goes elsewhere without leaving a trace in the history. */
function Redirect({ to }: { readonly to: string }): null {
  useEffect(() => navigate(to, { replace: true }), [to]);
  return null;
}

/** Reads the setup document, and with it what runs already, so no question shows where the installation belongs. */
async function startWizard(): Promise<void> {
  const fresh = await refreshConfig();
  if (fresh !== null) startAnswers(fresh);
}

function Wizard({ step }: { readonly step: WizardStep }): VNode | null {
  const known = useStore(config);
  const given = useStore(answers);
  const run = useStore(operation);
  useEffect(() => {
    if (known === null) void startWizard();
  }, [known]);
  if (known === null)
    return html`<${WizardShell} step=${step.id} reached="welcome"><${Sheet} title=${text("app.asking")} live /><//>`;
  if (given.channel === "") return null;
  if (run !== null && run.kind === "setup" && step.id !== "install" && belongsToInstall(run, step)) {
    return html`<${Redirect} to="/setup/install" />`;
  }
  const reached = firstOpenStep(given)?.id ?? "review";
  if (step.id !== "install" && indexOfStep(step.id) > indexOfStep(reached))
    return html`<${Redirect} to=${`/setup/${reached}`} />`;
  return html`<${WizardShell} step=${step.id} reached=${reached}>${pageOf(step.id, known)}<//>`;
}

/** While it runs, and once it is done, there is nothing to answer; when it stopped, the way in leads to the cause. */
function belongsToInstall(run: OperationView, step: WizardStep): boolean {
  if (run.state === "running" || run.state === "done" || step.id === "welcome") return true;
  return run.state === "waiting" && (run.problem?.fields.length ?? 0) === 0;
}

function pageOf(step: StepId, known: SetupConfig): VNode {
  switch (step) {
    case "welcome":
      return html`<${WelcomePage} config=${known} key=${step} />`;
    case "release":
      return html`<${ReleasePage} config=${known} key=${step} />`;
    case "address":
      return html`<${AddressPage} config=${known} key=${step} />`;
    case "organisation":
      return html`<${OrganisationPage} config=${known} key=${step} />`;
    case "review":
      return html`<${ReviewPage} config=${known} key=${step} />`;
    case "install":
      return html`<${InstallPage} key=${step} />`;
  }
}
