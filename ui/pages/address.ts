/** Where people will find it: the name they type, and who resolves names for the box. */
import { html, type VNode } from "../html.ts";
import { Choice } from "../parts/choice.ts";
import { Field } from "../parts/field.ts";
import { answers } from "../state/answers.ts";
import { useStore } from "../state/store.ts";
import type { SetupConfig } from "../state/wire.ts";
import { text } from "../strings.ts";
import { NameHint, ServerMarks } from "./name-servers.ts";
import { Sheet } from "./sheet.ts";
import { change, StepFoot, StepProblems } from "./step-foot.ts";
import { useCheck } from "./use-check.ts";
import { useNameServers } from "./use-name-servers.ts";

/** The step that asks for the address and the name servers; both are looked up while one types. */
export function AddressPage({ config }: { readonly config: SetupConfig }): VNode {
  const given = useStore(answers);
  const check = useCheck("address");
  const seen = useNameServers(given);
  const { addresses, resolvers } = config.network;
  const lead =
    addresses.length === 0 ? text("address.lead") : text("address.lead-to", { address: addresses.join(", ") });
  const options = [
    {
      value: "system",
      label: text("dns.system"),
      about: resolvers.length === 0 ? text("dns.none") : resolvers.join(", "),
    },
    { value: "custom", label: text("dns.custom"), about: text("dns.custom-about") },
  ];
  return html`<${Sheet} title=${text("address.title")} lead=${lead} onSubmit=${() => void check.submit()}
    foot=${html`<${StepFoot} step="address" check=${check} />`}>
    <${StepProblems} check=${check} />
    <${Field} name="appHostname" label=${text("address.label")} help=${text("address.help")} value=${given.appHostname}
      inputMode="url" onInput=${(value: string) => change("appHostname", value)} error=${check.errorOf("appHostname")} />
    <${NameHint} seen=${seen} />
    <${Choice} name="dnsMode" label=${text("dns.label")} value=${given.dnsMode} options=${options}
      error=${check.errorOf("dnsMode")} onChange=${(value: string) => change("dnsMode", value)} />
    ${
      given.dnsMode === "custom"
        ? html`<${Field} name="dnsServers" label=${text("dns.servers")} help=${text("dns.servers-help")} value=${given.dnsServers}
          onInput=${(value: string) => change("dnsServers", value)} error=${check.errorOf("dnsServers")} />`
        : undefined
    }
    <${ServerMarks} addresses=${given.dnsMode === "system" ? resolvers : []} seen=${seen} />
  <//>`;
}
