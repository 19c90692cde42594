/** Who will use it: the first tenant, its administrator, the edition. */
import { html, type VNode } from "../html.ts";
import { Choice } from "../parts/choice.ts";
import { Field, type FieldProps } from "../parts/field.ts";
import { SecretField } from "../parts/secret-field.ts";
import { answers, secrets } from "../state/answers.ts";
import { useStore } from "../state/store.ts";
import type { Answers, SecretAnswers, SetupConfig } from "../state/wire.ts";
import { text } from "../strings.ts";
import { Sheet } from "./sheet.ts";
import { change, StepFoot, StepProblems } from "./step-foot.ts";
import { type Check, useCheck } from "./use-check.ts";

/** The step that asks for organisation, administrator and edition. */
export function OrganisationPage({ config }: { readonly config: SetupConfig }): VNode {
  const check = useCheck("organisation");
  return html`<${Sheet} title=${text("organisation.title")} lead=${text("organisation.lead")} onSubmit=${() => void check.submit()}
    foot=${html`<${StepFoot} step="organisation" check=${check} />`}>
    <${StepProblems} check=${check} />
    <${TextAnswer} field="tenantName" check=${check} label=${text("tenant.name")} help=${text("tenant.name-help")} autocomplete="organization" />
    <h2 class="part-title">${text("admin.title")}</h2>
    <div class="pair">
      <${TextAnswer} field="adminFirstName" check=${check} label=${text("admin.first")} autocomplete="given-name" />
      <${TextAnswer} field="adminLastName" check=${check} label=${text("admin.last")} autocomplete="family-name" />
    </div>
    <${TextAnswer} field="adminEmail" check=${check} label=${text("admin.email")} help=${text("admin.email-help")} inputMode="email" autocomplete="email" />
    <${PasswordAnswers} config=${config} check=${check} />
    <${EditionAnswers} config=${config} check=${check} />
  <//>`;
}

interface TextAnswerProps extends Omit<FieldProps, "name" | "value" | "error" | "onInput"> {
  readonly field: keyof Answers;
  readonly check: Check;
}

function TextAnswer({ field, check, ...rest }: TextAnswerProps): VNode {
  const given = useStore(answers);
  return html`<${Field} name=${field} value=${given[field]} error=${check.errorOf(field)}
    onInput=${(value: string) => change(field, value)} ...${rest} />`;
}

interface PartProps {
  readonly config: SetupConfig;
  readonly check: Check;
}

/** The administrator's password, twice. A password that the box keeps need not be typed again. */
export function PasswordAnswers({ config, check }: PartProps): VNode {
  const given = useStore(answers);
  const typed = useStore(secrets);
  const { minLength, rules = [] } = config.passwordPolicy;
  const kept = config.secretsKept.includes("adminPassword") && typed.adminPassword === "";
  const help = kept ? text("admin.password-kept") : text("password.help", { n: minLength });
  const known = [
    given.tenantName,
    given.adminFirstName,
    given.adminLastName,
    ...given.adminEmail.split(/[@.]/),
    "alga",
    "password",
  ];
  return html`<${SecretField} name="adminPassword" label=${text("admin.password")} help=${help} value=${typed.adminPassword}
      onInput=${(value: string) => change("adminPassword", value)} error=${check.errorOf("adminPassword")}
      autocomplete="new-password" rules=${kept ? [] : rules} strength=${kept ? undefined : { minLength, known }} />
    <${SecretField} name="adminPasswordConfirm" label=${text("admin.password-again")} value=${typed.adminPasswordConfirm}
      onInput=${(value: string) => change("adminPasswordConfirm", value)} error=${check.errorOf("adminPasswordConfirm")}
      autocomplete="new-password" />`;
}

function EditionAnswers({ config, check }: PartProps): VNode {
  const given = useStore(answers);
  const options = [
    { value: "ee", label: text("edition.ee"), about: text("edition.ee-about") },
    { value: "ce", label: text("edition.ce"), about: text("edition.ce-about") },
  ];
  return html`<${Choice} name="editionChoice" label=${text("edition.label")} value=${given.editionChoice} options=${options}
      error=${check.errorOf("editionChoice")} onChange=${(value: string) => change("editionChoice", value)} />
    ${
      given.editionChoice === "ee"
        ? html`<${SecretAnswer} field="installCode" config=${config} check=${check} label=${text("edition.code")} help=${text("edition.code-help")} />
          <${SecretAnswer} field="licenseKey" config=${config} check=${check} label=${text("edition.key")} help=${text("edition.key-help")} />`
        : undefined
    }`;
}

interface SecretAnswerProps extends PartProps {
  readonly field: keyof SecretAnswers;
  readonly label: string;
  readonly help: string;
}

function SecretAnswer({ field, config, check, label, help }: SecretAnswerProps): VNode {
  const typed = useStore(secrets);
  const kept = config.secretsKept.includes(field) && typed[field] === "";
  return html`<${SecretField} name=${field} label=${label} help=${kept ? text("secret.kept") : help} value=${typed[field]}
    onInput=${(value: string) => change(field, value)} error=${check.errorOf(field)} />`;
}
