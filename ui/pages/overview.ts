/** The overview: the answer, the ladder with its failing rung open, the components, the box. */
import { formatDigest } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { boxFacts } from "../model/box-facts.ts";
import { failuresOf, findingsBeside, lineOf, RUNGS } from "../model/overview.ts";
import { Answer } from "../parts/answer.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { EmptyState } from "../parts/empty-state.ts";
import { Facts } from "../parts/facts.ts";
import { Ladder } from "../parts/ladder.ts";
import { Link, OutLink } from "../parts/link.ts";
import { copyText } from "../parts/log-view.ts";
import { PageTitle } from "../parts/page-title.ts";
import { Rung } from "../parts/rung.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Time } from "../parts/time.ts";
import { Verified } from "../parts/verified.ts";
import { useNow } from "../state/clock.ts";
import { operation, status } from "../state/live.ts";
import { useStore } from "../state/store.ts";
import type { ApplianceStatus, Check } from "../state/wire.ts";
import { text } from "../strings.ts";
import { ComponentTable } from "./components.ts";
import { HelpLink } from "./help.ts";
import { Mend } from "./trouble.ts";

/** The first page after setup: what works, what does not, and what to do. */
export function OverviewPage(): VNode {
  const known = useStore(status);
  if (known === null) {
    return html`<${PageTitle} title=${text("overview.asking")} live />
      <div class="columns"><${Skeleton} lines=${10} /><${Skeleton} lines=${7} /></div>`;
  }
  const beside = findingsBeside(known);
  return html`<${Answer} tone=${known.summary.state} sentence=${known.summary.message} line=${lineOf(known)}><${AnswerDeeds} known=${known} /><//>
    <div class="columns">
      <${Card} title=${text("ladder.title")}>
        <${Ladder} label=${text("ladder.title")}>${RUNGS.map(({ tier, name }) => html`<${TierRung} known=${known} tier=${tier} name=${text(name)} key=${tier} />`)}<//>
      <//>
      <div class="stack">
        ${beside.length === 0 ? undefined : html`<${Card} title=${text("findings.title")}>${beside.map((check) => html`<${CheckCause} check=${check} known=${known} key=${check.code} />`)}<//>`}
        <${Card} title=${text("components.title")}>
          ${known.components.length === 0 ? html`<${EmptyState} message=${text("components.none")} />` : html`<${ComponentTable} rows=${known.components} />`}
        <//>
        ${known.release === null ? undefined : html`<${ReleaseCard} release=${known.release} />`}
        <${ThisBox} known=${known} />
      </div>
    </div>`;
}

/** What one does next from here: open the product, or look at the operation that runs. */
function AnswerDeeds({ known }: { readonly known: ApplianceStatus }): VNode | null {
  const { login } = known.urls;
  const run = known.operation;
  if (run !== null && run.kind === "setup" && run.state !== "done")
    return html`<${Link} to="/setup/install" button="primary">${text("overview.to-installation")}<//>`;
  if (run !== null && run.endedAt === null)
    return html`<${Link} to=${`/operations/${run.id}`} button="primary">${text("overview.to-operation")}<//>`;
  if (login !== null && known.tiers.login.state === "ready") {
    return html`<${OutLink} to=${login} primary>${text("login.open", { host: new URL(login).host })}<//>
      <${Button} onClick=${() => void copyText(login)}>${text("login.copy")}<//>`;
  }
  if (known.phase !== "setup" && known.phase !== "unclaimed") return null;
  return html`<${Link} to="/setup" button="primary">${text("overview.to-setup")}<//>`;
}

interface TierRungProps {
  readonly known: ApplianceStatus;
  readonly tier: (typeof RUNGS)[number]["tier"];
  readonly name: string;
}

function TierRung({ known, tier, name }: TierRungProps): VNode {
  const { state, reason, since } = known.tiers[tier];
  const [root, ...others] = state === "failed" ? failuresOf(known, tier) : [];
  return html`<${Rung} tone=${state} title=${name} line=${reason} since=${since === null ? undefined : html`<${Time} at=${since} />`}>
    ${root === undefined ? undefined : html`<${CheckCause} check=${root} known=${known} />`}
    ${
      others.length === 0
        ? undefined
        : html`<details class="more"><summary>${text("findings.more", { n: others.length })}</summary>
          ${others.map((check) => html`<${CheckCause} check=${check} known=${known} key=${check.code} />`)}</details>`
    }
  <//>`;
}

/** One failed check as a cause; the one that is first of all holds the buttons of the operation that it stopped. */
function CheckCause({ check, known }: { readonly check: Check; readonly known: ApplianceStatus }): VNode {
  const run = useStore(operation);
  const evidence = check.evidence.map((line) => `${line.ref}\n${line.text}`).join("\n\n");
  const report = [check.title, check.cause, evidence, check.code].join("\n");
  const stopped = run !== null && (run.state === "blocked" || run.state === "waiting") && check === known.checks[0];
  return html`<${Cause} what=${check.title} seen=${check.cause} evidence=${check.evidence} next=${check.next}>
    ${stopped ? html`<${Mend} run=${run} />` : undefined}
    <${Button} small onClick=${() => void copyText(report)}>${text("cause.copy")}<//>
    <${HelpLink} check=${check} />
  <//>`;
}

/** The machine: its name, its ways in, its figures. */
function ThisBox({ known }: { readonly known: ApplianceStatus }): VNode {
  const { appliance, host } = known;
  const items = [
    { name: text("box.name"), value: appliance.name },
    { name: text("box.addresses"), value: appliance.addresses.join(", ") },
    ...boxFacts(host, useNow(0)).map((fact) => ({ ...fact, value: html`<span class="numbers">${fact.value}</span>` })),
    { name: text("box.version"), value: appliance.version },
    { name: text("box.observed"), value: html`<${Time} at=${known.observedAt} ago />` },
  ].filter((fact) => fact.value !== "");
  return html`<${Card} title=${text("box.title")}><${Facts} items=${items} /><//>`;
}

/** What is installed, and who vouches for it. */
function ReleaseCard({ release }: { readonly release: NonNullable<ApplianceStatus["release"]> }): VNode {
  const { version, channel, digest, verifiedBy } = release;
  const items = [
    { name: text("box.release-name"), value: version },
    { name: text("box.channel"), value: channel ?? "" },
    { name: text("box.digest"), value: html`<span class="mono" title=${digest}>${formatDigest(digest)}</span>` },
  ].filter((fact) => fact.value !== "");
  return html`<${Card} title=${text("box.release-name")}><${Facts} items=${items} /><${Verified} by=${verifiedBy} /><//>`;
}
