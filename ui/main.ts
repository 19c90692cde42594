/** Starts the page. */
import { render } from "preact";
import { App } from "./app.ts";
import { html } from "./html.ts";
import { startLive } from "./state/live.ts";
import { startRouter } from "./state/router.ts";
import { startTheme } from "./state/theme.ts";

const root = document.getElementById("app");
if (root !== null) {
  startTheme();
  startRouter();
  // The mark of the product stood there alone until now: the first thing on the screen, before this script was read.
  root.replaceChildren();
  render(html`<${App} />`, root);
  void startLive();
}
