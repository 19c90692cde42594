/** The installation, live: its rungs with elapsed time, why it stopped and what to do, and at the end the way in. */
import { useState } from "preact/hooks";
import { formatDuration, formatStopwatch, formatTimeOfDay } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { elapsedMs, type ProgressRung, rungsOf, timeLeftMs } from "../model/progress.ts";
import { Button } from "../parts/button.ts";
import { Dialog } from "../parts/dialog.ts";
import { EmptyState } from "../parts/empty-state.ts";
import { Ladder } from "../parts/ladder.ts";
import { Link, OutLink } from "../parts/link.ts";
import { copyText } from "../parts/log-view.ts";
import { Rung } from "../parts/rung.ts";
import { Verified } from "../parts/verified.ts";
import { useNow } from "../state/clock.ts";
import { operation, status } from "../state/live.ts";
import { navigate, usePlace } from "../state/router.ts";
import { useStore } from "../state/store.ts";
import type { ApplianceStatus, OperationView } from "../state/wire.ts";
import { text } from "../strings.ts";
import { JournalView } from "./journal.ts";
import { Sheet } from "./sheet.ts";
import { Trouble } from "./trouble.ts";
import { useOperationDeed } from "./use-operation-deed.ts";

/** The running installation, or that none runs. */
export function InstallPage(): VNode {
  const run = useStore(operation);
  const known = useStore(status);
  const place = usePlace();
  const moves = run?.state === "running" || run?.state === "waiting";
  const now = useNow(moves ? 1_000 : 0);
  if (run === null) return html`<${NothingYet} />`;
  const journalShown = place.query.has("journal");
  const foot = html`<${InstallFoot} run=${run} now=${now} journalShown=${journalShown} />`;
  return html`<${Sheet} title=${titleOf(run, now, known)} lead=${leadOf(run, known)} live foot=${foot}>
    ${run.state === "done" ? html`<${WayIn} />` : undefined}
    <h2 class="hidden-visually">${text("install.ladder")}</h2>
    <${Ladder} label=${text("install.ladder")}>
      ${rungsOf(run).map((rung) => html`<${InstallRung} rung=${rung} run=${run} now=${now} key=${rung.id} />`)}
    <//>
    ${journalShown ? html`<h2 class="part-title">${text("journal.title")}</h2><${JournalView} id=${run.id} />` : undefined}
  <//>`;
}

function NothingYet(): VNode {
  return html`<${Sheet} title=${text("install.none")}><${EmptyState} message=${text("install.none-about")}>
    <${Link} to="/setup/review" button="primary">${text("install.to-review")}<//>
  <//><//>`;
}

/** The answer: the box's own sentence, the same as in the terminal; until its status follows, one made from the run. */
function titleOf(run: OperationView, now: number, known: ApplianceStatus | null): string {
  if (known?.operation?.id === run.id && known.operation.state === run.state) return known.summary.message;
  if (run.state === "done") return text("install.done");
  if (run.state === "cancelled") return text("install.cancelled");
  const here = rungsOf(run).find((rung) => rung.here);
  const name = here === undefined ? "" : rungTitle(here);
  if (run.state === "blocked" || run.state === "failed") return text("install.stopped", { step: name });
  if (run.state === "waiting") return text("install.waiting", { step: name });
  if (run.state === "paused") return text("install.paused", { step: name });
  const left = timeLeftMs(run, now);
  return left === undefined || left < 20_000 ? text("install.soon") : text("install.left", { time: formatLeft(left) });
}

/** Whole minutes in words; it changes once a minute and the title does not jump. */
function formatLeft(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return text("install.left-minute");
  return minutes === 1 ? text("install.left-one") : text("install.left-minutes", { n: minutes });
}

function leadOf(run: OperationView, known: ApplianceStatus | null): string {
  if (run.state === "done")
    return known?.summary.state === "failed" ? text("install.done-but") : text("install.done-about");
  if (run.state === "running" || run.state === "waiting") return text("install.lead");
  return text("install.kept");
}

function rungTitle(rung: ProgressRung): string {
  const version = status.get()?.release?.version;
  if (rung.id === "release" && version !== undefined) return text("plan.release", { version });
  return rung.name === undefined ? rung.title : text(rung.name);
}

interface InstallRungProps {
  readonly rung: ProgressRung;
  readonly run: OperationView;
  readonly now: number;
}

function InstallRung({ rung, run, now }: InstallRungProps): VNode {
  const elapsed = rung.startedAt === undefined ? undefined : formatStopwatch(elapsedMs(rung, stopTime(run, now)));
  const troubled = rung.here && run.problem !== null && run.state !== "done";
  // What a check that has stopped was about to do is no news beside its cause.
  const line = troubled && rung.id === "checks" ? undefined : rung.line;
  return html`<${Rung} tone=${rung.tone} title=${rungTitle(rung)} line=${line} since=${elapsed}
    word=${rung.tone === "unknown" ? text("install.ahead") : undefined}>
    ${troubled || (rung.here && (run.state === "cancelled" || run.state === "paused")) ? html`<${Trouble} run=${run} now=${now} />` : undefined}
  <//>`;
}

/** A stopped operation does not count on. */
function stopTime(run: OperationView, now: number): number {
  return run.endedAt === null ? now : Date.parse(run.endedAt);
}

interface FootProps {
  readonly run: OperationView;
  readonly now: number;
  readonly journalShown: boolean;
}

function InstallFoot({ run, now, journalShown }: FootProps): VNode {
  const [asks, setAsks] = useState(false);
  const { deed, busy } = useOperationDeed(run);
  const moves = run.state === "running" || run.state === "waiting";
  const took = formatDuration(stopTime(run, now) - Date.parse(run.startedAt));
  const toggle = (): void => navigate(journalShown ? "/setup/install" : "/setup/install?journal", { replace: true });
  const stop = (): void => {
    setAsks(false);
    void deed("cancel");
  };
  return html`<div class="buttons">
      <${Button} expanded=${journalShown} onClick=${toggle}>${journalShown ? text("journal.hide") : text("journal.show")}<//>
      ${run.state === "done" ? html`<${Link} to="/" button="normal">${text("install.to-overview")}<//>` : undefined}
      ${moves ? html`<${Button} busy=${busy} onClick=${() => setAsks(true)}>${text("install.stop")}<//>` : undefined}
    </div>
    <p class="quiet numbers">${text("install.started", { time: formatTimeOfDay(run.startedAt), took })}</p>
    <${Dialog} open=${asks} title=${text("install.stop-title")} about=${text("install.stop-about")} deed=${text("install.stop")}
      danger onDeed=${stop} onClose=${() => setAsks(false)} />`;
}

/** The finish: the address people type, and the page that watches over it from now on. */
function WayIn(): VNode {
  const known = useStore(status);
  const login = known?.urls.login;
  return html`<div class="buttons note">
    ${login ? html`<${OutLink} to=${login} primary>${text("login.open", { host: new URL(login).host })}<//>` : undefined}
    ${login ? html`<${Button} onClick=${() => void copyText(login)}>${text("login.copy")}<//>` : undefined}
  </div>
  ${known?.release ? html`<p class="note">${text("box.installed", { version: known.release.version })}</p><${Verified} by=${known.release.verifiedBy} />` : undefined}`;
}
