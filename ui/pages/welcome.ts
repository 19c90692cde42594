/** The first page of the wizard: what this box is, and what will be asked. */
import { html, type VNode } from "../html.ts";
import { Facts } from "../parts/facts.ts";
import { Icon } from "../parts/icon.ts";
import { Link } from "../parts/link.ts";
import { status } from "../state/live.ts";
import { useStore } from "../state/store.ts";
import type { SetupConfig } from "../state/wire.ts";
import { text } from "../strings.ts";
import { Sheet } from "./sheet.ts";

/** The step that asks nothing. */
export function WelcomePage({ config }: { readonly config: SetupConfig }): VNode {
  const known = useStore(status);
  const points = [
    text("welcome.point-address"),
    text("welcome.point-tenant"),
    text("welcome.point-time"),
    text("welcome.point-safe"),
  ];
  const facts = [
    { name: text("box.name"), value: known?.appliance.name ?? "" },
    { name: text("box.addresses"), value: config.network.addresses.join(", ") },
    { name: text("box.resolvers"), value: config.network.resolvers.join(", ") },
    { name: text("box.registry"), value: config.registry },
  ].filter((fact) => fact.value !== "");
  return html`<${Sheet} title=${text("welcome.title")} lead=${text("welcome.lead")}
    foot=${html`<${Link} to="/setup/release" button="primary">${text("welcome.deed")}<//>`}>
    <ul class="points">${points.map((point) => html`<li key=${point}><${Icon} name="dot" /><span>${point}</span></li>`)}</ul>
    <h2 class="part-title">${text("box.title")}</h2>
    <${Facts} items=${facts} />
  <//>`;
}
