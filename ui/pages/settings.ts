/** Settings of this box: what it is called, its management password, who is logged in, the colors of this browser. */
import { html, type VNode } from "../html.ts";
import { Card } from "../parts/card.ts";
import { Choice } from "../parts/choice.ts";
import { PageTitle } from "../parts/page-title.ts";
import { session } from "../state/live.ts";
import { useStore } from "../state/store.ts";
import { chooseTheme, theme } from "../state/theme.ts";
import { text } from "../strings.ts";
import { AddressCard } from "./settings-address.ts";
import { AdminCard } from "./settings-admin.ts";
import { ClaimsCard } from "./settings-claims.ts";
import { LicenseCard } from "./settings-license.ts";
import { NameCard } from "./settings-name.ts";
import { PasswordCard } from "./settings-password.ts";
import { SessionsCard } from "./settings-sessions.ts";

/** One card for each thing that can be changed here. */
export function SettingsPage(): VNode {
  const who = useStore(session);
  const choice = useStore(theme);
  const themes = (["auto", "light", "dark"] as const).map((value) => ({
    value,
    label: text(`colors.${value}`),
  }));
  return html`<${PageTitle} title=${text("nav.settings")} />
    <div class="columns">
      <div class="stack">
        <${NameCard} />
        <${AddressCard} />
        <${LicenseCard} />
        ${who === null ? undefined : html`<${PasswordCard} policy=${who.passwordPolicy} />`}
      </div>
      <div class="stack">
        <${SessionsCard} />
        <${ClaimsCard} />
        <${Card} title=${text("settings.browser")}>
          <${Choice} name="theme" label=${text("settings.colors")} value=${choice} options=${themes} onChange=${chooseTheme} />
        <//>
        ${who === null ? undefined : html`<${AdminCard} policy=${who.passwordPolicy} />`}
      </div>
    </div>`;
}
