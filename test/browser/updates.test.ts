/** Updates on the page: what is offered, what will change, what stands in the way, the way back, the policy, the history. */
import assert from "node:assert/strict";
import { browserTest } from "./browser.ts";
import { focusOn, heading, holds, openConsole, tabTo } from "./steps.ts";

browserTest("an update is looked at and started by keyboard, with the plan that was shown", {}, async (visit) => {
  const { page, server } = visit;
  await openConsole(visit, "/updates");
  await heading(page, "Release 1.1.0 can be installed");
  await tabTo(page, ".answer a.button.primary");
  await page.keyboard.press("Enter");
  await heading(page, "This is what will change");
  await focusOn(page, "H1");
  await page.locator("td", { hasText: "image algaCore: 1.0.3 to 1.1.0" }).waitFor();
  await page.locator("td", { hasText: "server.replicaCount: new to 2" }).waitFor();
  await page.locator("li", { hasText: "helmreleases.helm.toolkit.fluxcd.io v2 comes; v2beta1 goes" }).waitFor();
  await page.locator("summary", { hasText: "1 of 1 checks hold" }).waitFor();
  await page.locator(".cause", { hasText: "Invoices get a table of their own" }).waitFor();
  await page.locator(".cause", { hasText: "restoring a backup, a later release that mends it" }).waitFor();
  await page.locator("p", { hasText: "410 MB to download, about 8 min as the last ones took." }).waitFor();
  await tabTo(page, "main button.primary");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/operations/0002-update");
  assert.deepEqual(server.box.updates.started, [{ channel: "stable", planDigest: "sha256:plan" }]);
});

browserTest("a plan that changed meanwhile is not started: it is shown anew", {}, async (visit) => {
  const { page, server } = visit;
  await openConsole(visit, "/updates/review?version=1.1.0");
  await page.locator("main button.primary", { hasText: "Update to release 1.1.0" }).waitFor();
  server.box.updates.refuseStart("update/plan-changed", { changed: ["image algaCore is 1.1.1 now"] });
  server.box.updates.changePlan({ digest: "sha256:other" });
  await page.locator("main button.primary", { hasText: "Update to release 1.1.0" }).click();
  await page.locator(".cause .evidence", { hasText: "image algaCore is 1.1.1 now" }).waitFor();
  await page.locator(".cause button", { hasText: "Show the new plan" }).click();
  await page.locator(".cause .evidence").waitFor({ state: "detached" });
  await page.locator("main button.primary", { hasText: "Update to release 1.1.0" }).click();
  await page.waitForURL("**/operations/0002-update");
  assert.equal(server.box.updates.started.at(-1)?.planDigest, "sha256:other");
});

browserTest("what may not run cannot be started, and says why", {}, async (visit) => {
  const { page, server } = visit;
  const why = {
    code: "update/required-stop",
    message: "Release 1.0.9 must be installed first",
    hint: "Update to 1.0.9",
  };
  server.box.updates.changePlan({ notNow: [why] });
  await openConsole(visit, "/updates/review?channel=stable");
  await page.locator(".cause", { hasText: "Release 1.0.9 must be installed first" }).waitFor();
  assert.equal(await page.locator("main button.primary").count(), 0);
  await page.locator("main a", { hasText: "Back" }).click();
  await heading(page, "Release 1.1.0 can be installed");
});

browserTest("a release is named by channel, version or digest; one that is not there is said", {}, async (visit) => {
  const { page, server } = visit;
  await openConsole(visit, "/updates");
  await page.locator("#field-release").fill("9.9.9");
  await page.locator("#field-release").press("Enter");
  await page.waitForURL("**/updates/review?version=9.9.9");
  await page.locator(".cause", { hasText: "there is none" }).waitFor();
  await page.goBack();
  await page.locator("#field-release").fill("next");
  await page.locator("#field-release").press("Enter");
  await page.waitForURL("**/updates/review?channel=next");
  await page.goto(`${server.url}/updates`);
  await page.locator("#field-release").fill(` sha256:${"d".repeat(64)}`);
  await page.locator("#field-release").press("Enter");
  await page.waitForURL("**/updates/review?digest=sha256*");
});

browserTest("going back asks first; where there is no way back it says why", {}, async (visit) => {
  const { page, server } = visit;
  await openConsole(visit, "/updates");
  await page.locator("button", { hasText: "Return to release 1.0.2" }).first().click();
  await page.locator("dialog[open]").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog[open]").waitFor({ state: "detached" });
  assert.equal(server.box.updates.started.length, 0);
  await page.locator("button", { hasText: "Return to release 1.0.2" }).first().click();
  await page.locator("dialog[open] .danger").click();
  await page.waitForURL("**/operations/0002-update");
  const digest = `sha256:${"c".repeat(64)}`;
  const why = "The data was changed in a way that release 1.0.2 cannot read.";
  server.box.updates.change({ previous: { version: "1.0.2", digest, canReturn: false, why } });
  await page.goto(`${server.url}/updates`);
  await page.locator("p", { hasText: why }).waitFor();
  assert.equal(await page.locator("button", { hasText: "Return to" }).count(), 0);
});

browserTest("an update is paused and goes on; where that is not safe the page says why", {}, async (visit) => {
  const { page, server } = visit;
  await openConsole(visit, "/operations/0002-update");
  await tabTo(page, "main .buttons button");
  await page.keyboard.press("Enter");
  await page.locator("[role=status]", { hasText: "It pauses when the step that it is in has ended." }).waitFor();
  await page.locator("button.primary", { hasText: "Let it go on" }).click();
  await page.locator("main .buttons button", { hasText: "Pause it" }).click();
  await page.locator("button.primary", { hasText: "Let it go on" }).waitFor();
  await visit.page.evaluate(() => fetch("/api/operations/0002-update/pause", { method: "POST" }));
  await page.reload();
  await page.locator(".state-line", { hasText: "Paused" }).waitFor();
  await page.locator("[role=status]", { hasText: "It stands still until somebody lets it go on" }).waitFor();
  server.box.updates.refusePause();
  await page.reload();
  await page.locator("main .buttons button", { hasText: "Pause it" }).click();
  await page.locator("[role=alert] .cause", { hasText: 'it is at the step "Judge the release"' }).waitFor();
});

browserTest("the policy is kept, with its hours and days, and paused for a week", {}, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/updates");
  await page.locator("label", { hasText: "Small ones" }).click();
  await page.locator("#field-window\\.from, [name='window.from']").fill("02:00");
  await page.locator("[name='window.to']").fill("04:00");
  await page.locator("label.check", { hasText: "Sun" }).click();
  await page.locator("[name='judge.soakMinutes']").fill("30");
  await page.locator("button", { hasText: "Keep this" }).click();
  await page.locator("[role=status] .toast", { hasText: "Kept" }).waitFor();
  await page.reload();
  await page.locator("[name='window.from']").waitFor();
  await holds(page, "[name='window.to']", "04:00");
  await holds(page, "[name='judge.soakMinutes']", "30");
  await holds(page, "[name='judge.patienceMinutes']", "8");
  assert.equal(await page.locator("input[name=sun]").isChecked(), false);
  assert.equal(await page.locator("input[name=mon]").isChecked(), true);
  await page.locator("button", { hasText: "Pause for a week" }).click();
  await page.locator("button", { hasText: "End the pause" }).waitFor();
});

browserTest(
  "what was changed is told with its verdict, and what the channel says in one sentence",
  {},
  async (visit) => {
    const { page, server } = visit;
    await openConsole(visit, "/updates");
    await page.locator("tr", { hasText: "Taken back and judged bad" }).filter({ hasText: "answered 502" }).waitFor();
    await page.locator("tr", { hasText: "1.0.2 to 1.0.3" }).filter({ hasText: "Installed and judged sound" }).waitFor();
    await page.locator("td", { hasText: "10 min 10 s of about 7 min" }).waitFor();
    await page.locator("td", { hasText: "400 MB of 410 MB fetched" }).waitFor();
    const file = await page.locator("a[download]", { hasText: "Save as a file" }).getAttribute("href");
    assert.equal(file, "/api/updates/history");
    const channel = { name: "stable", checkedAt: new Date().toISOString(), problem: null };
    const said = [
      ["current", "Release 1.0.3 is the newest one"],
      ["older", "The channel stable has an older release"],
      ["pinned", "This box stays at release 1.0.3"],
      ["unknown", "Whether there is an update is not known yet"],
    ] as const;
    for (const [state, words] of said) {
      server.box.updates.change({ offered: null, channel: { ...channel, state } });
      await page.locator("button", { hasText: "Look now" }).click();
      await heading(page, words);
    }
  },
);
