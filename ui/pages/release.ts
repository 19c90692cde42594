/** Which release: a channel, or one release by its name. */
import { useState } from "preact/hooks";
import { formatAge } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { isUnverified, verifiedText } from "../model/verified.ts";
import { Button } from "../parts/button.ts";
import { Cause } from "../parts/cause.ts";
import { Choice, type Option } from "../parts/choice.ts";
import { Field } from "../parts/field.ts";
import { Pill } from "../parts/pill.ts";
import { Verified } from "../parts/verified.ts";
import { answers } from "../state/answers.ts";
import { boxNow } from "../state/clock.ts";
import { refreshConfig } from "../state/live.ts";
import { useStore } from "../state/store.ts";
import type { ChannelOffer, SetupConfig } from "../state/wire.ts";
import { text } from "../strings.ts";
import { ExpiredDecision } from "./expired.ts";
import { Sheet } from "./sheet.ts";
import { change, StepFoot, StepProblems } from "./step-foot.ts";
import { useCheck } from "./use-check.ts";

/** Value of the choice that names a release; no channel can be called so. */
const NAMED = "=named";

/** The step that asks for the channel or a release by name. */
export function ReleasePage({ config }: { readonly config: SetupConfig }): VNode {
  const given = useStore(answers);
  const [named, setNamed] = useState(given.releaseRef !== "");
  const check = useCheck("release");
  const offers = config.channels.map(toOption);
  const own = { value: NAMED, label: text("release.named"), about: text("release.named-about") };
  const known = offers.some((offer) => offer.value === given.channel);
  const kept = known || given.channel === "" ? [] : [{ value: given.channel, label: channelName(given.channel) }];
  const choose = (value: string): void => {
    setNamed(value === NAMED);
    if (value === NAMED) return;
    change("releaseRef", "");
    change("channel", value);
  };
  return html`<${Sheet} title=${text("release.title")} lead=${text("release.lead", { registry: config.registry })}
    onSubmit=${() => void check.submit()} foot=${html`<${StepFoot} step="release" check=${check} />`}>
    <${StepProblems} check=${check} />
    ${config.channelsProblem === null ? undefined : html`<${RegistryProblem} config=${config} />`}
    <${ExpiredDecision} config=${config} check=${check} />
    <${Choice} name="channel" label=${text("release.label")} value=${named ? NAMED : given.channel}
      options=${[...offers, ...kept, own]} error=${check.errorOf("channel")} onChange=${choose} />
    ${
      named
        ? html`<${Field} name="releaseRef" label=${text("release.ref")} help=${text("release.ref-help")} value=${given.releaseRef}
          onInput=${(value: string) => change("releaseRef", value)} error=${check.errorOf("releaseRef")} />`
        : undefined
    }
    ${config.channels.some(({ verifiedBy }) => isUnverified(verifiedBy)) ? html`<${Verified} by="none" />` : undefined}
  <//>`;
}

function toOption(offer: ChannelOffer): Option {
  const age =
    offer.publishedAt === null ? "" : text("release.age", { age: formatAge(boxNow() - Date.parse(offer.publishedAt)) });
  const said = [age, verifiedText(offer.verifiedBy), offer.expired ?? ""];
  const about = [text("release.version", { version: offer.version }), ...said];
  return {
    value: offer.name,
    label: channelName(offer.name),
    about: about.filter((part) => part !== "").join(" · "),
    mark: offer.name === "stable" ? html`<${Pill} tone="ready" label=${text("release.advised")} />` : undefined,
  };
}

function channelName(name: string): string {
  if (name === "stable") return text("channel.stable");
  return name === "nightly" ? text("channel.nightly") : name;
}

function RegistryProblem({ config }: { readonly config: SetupConfig }): VNode {
  const [busy, setBusy] = useState(false);
  const again = async (): Promise<void> => {
    setBusy(true);
    await refreshConfig();
    setBusy(false);
  };
  const { registry } = config;
  const { code = "", message, hint } = config.channelsProblem ?? {};
  const isUnbelieved = code.startsWith("trust/");
  const next = code === "trust/expired" ? text("expired.next") : hint;
  return html`<${Cause} what=${text(isUnbelieved ? "release.not-believed" : "release.registry-silent", { registry })}
    seen=${message} next=${next}>
    <${Button} small busy=${busy} onClick=${() => void again()}>${text("release.ask-again")}<//>
  <//>`;
}
