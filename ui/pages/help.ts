/** What one check code means: the operator guide's page, served by the box itself, and the link that leads to it. */
import { html, type VNode } from "../html.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { Link } from "../parts/link.ts";
import { PageTitle } from "../parts/page-title.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { usePolled } from "../state/poll.ts";
import type { Check, GuideAnswer } from "../state/wire.ts";
import { text } from "../strings.ts";

/** Leads to the page of a check. Several may stand on one page, so each is read out with what it is about. */
export function HelpLink({ check }: { readonly check: Pick<Check, "code" | "title"> }): VNode {
  const label = text("cause.help-of", { title: check.title });
  return html`<${Link} to=${`/help/${check.code}`} button="plain" small label=${label}>${text("cause.help")}<//>`;
}

/** The page of one code, as the box tells it; a code that no check has is told by the box too. */
export function HelpPage({ code }: { readonly code: string }): VNode {
  const { value, problem } = usePolled<GuideAnswer>(`/api/checks/${code}`, 0);
  return html`<${PageTitle} title=${text("help.title", { code })} />
    ${problem === undefined ? undefined : html`<${Cause} tone="attention" what=${problem.detail} next=${problem.hint} />`}
    ${value === undefined ? (problem === undefined ? html`<${Skeleton} lines=${6} />` : undefined) : html`<${HelpText} page=${value} />`}
    <p><${Link} to="/overview" button="normal">${text("help.back")}<//></p>`;
}

/** The titled paragraphs of a page, in the order in which one reads them. */
export function HelpText({ page }: { readonly page: GuideAnswer }): VNode {
  const lines = page.lines.map((line) => html`<h3>${line.name}</h3><p>${line.text}</p>`);
  return html`<${Card} title=${page.about}>${lines}<p class="hint">${text("help.about")}</p><//>`;
}
