/** What the line between browser and box is worth, before a password is typed: the way over to TLS, or what to compare there. */
import { html, type VNode } from "../html.ts";
import { Cause } from "../parts/cause.ts";
import type { SessionView } from "../state/wire.ts";
import { text } from "../strings.ts";

/** Twenty hex digits after "#sha256=": how the certificate begins, from the code on the screen of the box. */
const FINGERPRINT = /^#sha256=([0-9A-F]{20})$/;

/** Nothing on the machine itself, and nothing where nobody named a certificate. */
export function LineNote({ session }: { readonly session: SessionView }): VNode | undefined {
  if (session.secure === true) return CertificateNote();
  if (globalThis.isSecureContext || !session.secureUrl) return undefined;
  return html`<${Cause} tone="attention" what=${text("line.plain")} seen=${text("line.plain-means")} next=${text("line.next")}>
    <a class="button" href=${session.secureUrl}>${text("line.deed")}</a>
  <//>`;
}

function CertificateNote(): VNode | undefined {
  const begins = FINGERPRINT.exec(globalThis.location.hash)?.[1]?.match(/../g)?.join(":");
  if (begins === undefined) return undefined;
  return html`<${Cause} tone="attention" what=${text("line.compare")} evidence=${[{ ref: "SHA-256", text: `${begins}:…` }]} next=${text("line.compare-next")} />`;
}
