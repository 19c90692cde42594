/** The overview: the answer, the ladder with its failing rung open, the components, the box. */
import { useState } from "preact/hooks";
import { formatDigest } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { failuresOf, findingsBeside, lineOf, RUNGS } from "../model/overview.ts";
import { verifiedText } from "../model/plan-rows.ts";
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
import { Time } from "../parts/time.ts";
import { postJson } from "../state/api.ts";
import { operation, status, takeOperation } from "../state/live.ts";
import { useStore } from "../state/store.ts";
import type { ApplianceStatus, Check, OperationView } from "../state/wire.ts";
import { text } from "../strings.ts";
import { ComponentTable } from "./components.ts";

export function OverviewPage(): VNode {
  const known = useStore(status);
  if (known === null) return html`<${PageTitle} title=${text("overview.asking")} live />`;
  const beside = findingsBeside(known);
  return html`<${Answer} tone=${known.summary.state} sentence=${known.summary.message} line=${lineOf(known)}><${AnswerDeeds} known=${known} /><//>
    <div class="columns">
      <${Card} title=${text("ladder.title")}>
        <${Ladder} label=${text("ladder.title")}>${RUNGS.map(({ tier, name }) => html`<${TierRung} known=${known} tier=${tier} name=${text(name)} key=${tier} />`)}<//>
      <//>
      <div class="stack">
        ${beside.length === 0 ? undefined : html`<${Card} title=${text("findings.title")}>${beside.map((check) => html`<${CheckCause} check=${check} key=${check.code} />`)}<//>`}
        <${Card} title=${text("components.title")}>
          ${known.components.length === 0 ? html`<${EmptyState} message=${text("components.none")} />` : html`<${ComponentTable} rows=${known.components} />`}
        <//>
        <${ThisBox} known=${known} />
      </div>
    </div>`;
}

/** What one does next from here: open the product, or look at the operation that runs. */
function AnswerDeeds({ known }: { readonly known: ApplianceStatus }): VNode | null {
  const { login } = known.urls;
  const run = known.operation;
  if (run !== null && run.state !== "done") {
    const to = run.kind === "setup" ? "/setup/install" : `/operations/${run.id}`;
    return html`<${Link} to=${to} button="primary">${text("overview.to-operation")}<//>`;
  }
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
    ${root === undefined ? undefined : html`<${CheckCause} check=${root} deeds />`}
    ${
      others.length === 0
        ? undefined
        : html`<details class="more"><summary>${text("findings.more", { n: others.length })}</summary>
          ${others.map((check) => html`<${CheckCause} check=${check} key=${check.code} />`)}</details>`
    }
  <//>`;
}

/** One failed check as a cause. `deeds` gives it its buttons. */
function CheckCause({ check, deeds = false }: { readonly check: Check; readonly deeds?: boolean }): VNode {
  const evidence = check.evidence.map((line) => `${line.ref}\n${line.text}`).join("\n\n");
  return html`<${Cause} what=${check.title} seen=${check.cause} evidence=${check.evidence} next=${check.next}>
    ${deeds ? html`<${CheckDeeds} report=${[check.title, check.cause, evidence, check.code].join("\n")} retryHelps=${check.retrySafe} />` : undefined}
  <//>`;
}

function CheckDeeds({ report, retryHelps }: { readonly report: string; readonly retryHelps: boolean }): VNode {
  const run = useStore(operation);
  const [busy, setBusy] = useState(false);
  const stopped = run !== null && (run.state === "blocked" || run.state === "waiting");
  const again = async (): Promise<void> => {
    if (run === null) return;
    setBusy(true);
    const answered = await postJson<{ operation: OperationView }>(
      `/api/operations/${encodeURIComponent(run.id)}/resume`,
    );
    setBusy(false);
    if (answered.ok) takeOperation(answered.value.operation);
  };
  return html`${stopped && retryHelps ? html`<${Button} kind="primary" small busy=${busy} onClick=${() => void again()}>${text("install.again")}<//>` : undefined}
    <${Button} small onClick=${() => void copyText(report)}>${text("cause.copy")}<//>`;
}

function ThisBox({ known }: { readonly known: ApplianceStatus }): VNode {
  const { appliance, release } = known;
  const items = [
    { name: text("box.name"), value: appliance.name },
    { name: text("box.addresses"), value: appliance.addresses.join(", ") },
    ...(release === null
      ? []
      : [
          {
            name: text("box.release-name"),
            value: [release.version, release.channel ?? ""].filter((part) => part !== "").join(" · "),
          },
          {
            name: text("box.digest"),
            value: html`<span class="mono" title=${release.digest}>${formatDigest(release.digest)}</span>`,
          },
          { name: text("box.verified"), value: verifiedText(release.verifiedBy) },
        ]),
    { name: text("box.version"), value: appliance.version },
    { name: text("box.observed"), value: html`<${Time} at=${known.observedAt} ago />` },
  ].filter((fact) => fact.value !== "");
  return html`<${Card} title=${text("box.title")}><${Facts} items=${items} /><//>`;
}
