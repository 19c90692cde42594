/** The three frames a page can stand in: the wizard, the console with its rail, and the gate before the login. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { type Children, html, type VNode } from "../html.ts";
import { verifiedText } from "../model/verified.ts";
import { indexOfStep, type StepId, WIZARD } from "../model/wizard.ts";
import { Button } from "../parts/button.ts";
import { Icon } from "../parts/icon.ts";
import { Link } from "../parts/link.ts";
import { type StepItem, Steps } from "../parts/steps.ts";
import { deleteJson } from "../state/api.ts";
import { refreshSession, session, status } from "../state/live.ts";
import { usePlace } from "../state/router.ts";
import { useStore } from "../state/store.ts";
import { switchTheme, theme } from "../state/theme.ts";
import { text } from "../strings.ts";

export interface WizardShellProps {
  readonly step: StepId;
  /** Steps after this one cannot be gone to yet. */
  readonly reached: StepId;
  readonly children?: Children;
}

/** The frame of the wizard: where one is, and the card. */
export function WizardShell({ step, reached, children }: WizardShellProps): VNode {
  const here = indexOfStep(step);
  const limit = indexOfStep(reached);
  const items: readonly StepItem[] = WIZARD.map((entry, index) => ({
    title: text(entry.name),
    to: entry.path,
    state: index < here ? "past" : index === here ? "here" : "ahead",
    open: index <= limit && step !== "install",
  }));
  return html`<div class="wizard">
    <header><${Brand} /><${Steps} items=${items} /><${Corner} /></header>
    <main id="main" class="sheet">${children}</main>
    <${NoKeys} />
  </div>`;
}

/** The frame of the console: the rail with its pages, and the contents. */
export function ConsoleShell({ children }: { readonly children?: Children }): VNode {
  const { path } = usePlace();
  const known = useStore(status);
  const places = [
    { to: "/", name: text("nav.overview"), here: path === "/" || path === "/overview" },
    { to: "/components", name: text("nav.components"), here: path.startsWith("/components") },
    { to: "/operations", name: text("nav.operations"), here: path.startsWith("/operations") },
    { to: "/updates", name: text("updates.title"), here: path.startsWith("/updates") },
    { to: "/host", name: text("nav.host"), here: path === "/host" },
    { to: "/events", name: text("nav.events"), here: path === "/events" },
    { to: "/settings", name: text("nav.settings"), here: path === "/settings" },
  ];
  const nav = useRef<HTMLElement>(null);
  // On a narrow screen the pages are a row that scrolls: the one where we are is brought into it.
  useLayoutEffect(() => {
    const here = nav.current?.querySelector<HTMLElement>("[aria-current]");
    if (nav.current !== null && here) nav.current.scrollLeft = here.offsetLeft - nav.current.clientWidth / 3;
  }, [path]);
  const links = places.map(
    (entry) => html`<${Link} to=${entry.to} current=${entry.here} key=${entry.to}>${entry.name}<//>`,
  );
  return html`<div class="console">
    <header class="rail">
      <${Brand} />
      <nav ref=${nav} aria-label=${text("nav.label")}>${links}</nav>
      <div class="rail-foot">
        ${known === null ? undefined : html`<${BoxFacts} />`}
        <${Corner} />
      </div>
    </header>
    <main id="main" class="main">${children}</main>
  </div>`;
}

/** A card alone in the middle: before the login. */
export function GateShell({ children }: { readonly children?: Children }): VNode {
  return html`<div class="gate">
    <header><${Brand} /></header>
    <main id="main" class="sheet">${children}</main>
    <${Corner} />
  </div>`;
}

/** A box without keys says so on every page, before there is a release too. */
function NoKeys(): VNode | null {
  const known = useStore(status);
  return known?.appliance.verifies === false ? html`<p class="no-keys">${text("verified.no-keys")}</p>` : null;
}

function BoxFacts(): VNode | null {
  const known = useStore(status);
  if (known === null) return null;
  const { appliance, release } = known;
  const lines = [
    [appliance.name, ...appliance.addresses.slice(0, 1)].filter((part) => part !== "").join(" · "),
    release === null
      ? appliance.verifies === false
        ? text("verified.no-keys")
        : ""
      : [text("box.release", { version: release.version }), release.channel ?? "", verifiedText(release.verifiedBy)]
          .filter((part) => part !== "")
          .join(" · "),
    text("box.control-plane", { version: appliance.version }),
  ].filter((line) => line !== "");
  return html`${lines.map((line) => html`<p class="fact" key=${line}>${line}</p>`)}`;
}

function Brand(): VNode {
  return html`<${Link} to="/" class="brand">
    <svg viewBox="0 0 26 26" aria-hidden="true"><rect width="26" height="26" rx="7" /><path d="M7.5 16.5a5.5 5.5 0 0 1 11 0M11.5 14.5h3" /></svg>
    <span>${text("app.name")}</span>
  <//>`;
}

/** Theme and logout: always reachable, never in the way. */
function Corner(): VNode {
  const choice = useStore(theme);
  const who = useStore(session);
  const leave = async (): Promise<void> => {
    await deleteJson("/api/session");
    await refreshSession();
  };
  return html`<div class="corner">
    <${Button} kind="plain" onClick=${switchTheme}><${Icon} name="moon" /><span class="name">${text(`theme.${choice}`)}</span><//>
    ${
      who?.authenticated === true && who.claimed
        ? html`<${Button} kind="plain" onClick=${() => void leave()}><${Icon} name="out" /><span class="name">${text("session.leave")}</span><//>`
        : undefined
    }
  </div>`;
}
