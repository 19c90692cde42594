/**
 * The operator's guide of updates, step by step as it stands in docs/updating.md: each thing that it tells to do is done on the
 * page of the real control plane, each word that it says is waited for, each picture that it embeds is taken, and its commands are run
 * beside it. So the guide and the appliance cannot drift apart.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import type { Page } from "playwright-core";
import type { OperationView } from "../../src/operation/model.ts";
import { ANSWERS, MANAGEMENT_PASSWORD } from "../rehearsal/play.ts";
import { chromiumTest, openBrowser, type Watch, watchPage } from "./browser.ts";
import { type GuideStep, guideSteps } from "./guide-steps.ts";
import { type Rehearsal, startRehearsal } from "./rehearsal.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const GUIDE = readFileSync(join(ROOT, "docs/updating.md"), "utf8");
const HEADINGS = ["Updating", "When an update fails", "Going back"] as const;
/** An update that does not work is waited for, taken back and watched; a slow machine still gets its time. */
const PATIENCE_MS = 120_000;
/** Where pictures go: those of the documents with ALGA_GUIDE_PICTURES, else beside the others of a CI run, or nowhere. */
const PICTURES = process.env.ALGA_GUIDE_PICTURES ?? process.env.ALGA_SCREENSHOTS;

test("the guide has steps, pictures that are there, and commands under each heading", () => {
  for (const heading of HEADINGS) {
    const steps = guideSteps(GUIDE, heading);
    const kinds = new Set(steps.map(({ kind }) => kind));
    for (const kind of ["open", "choose", "see", "picture", "command"] as const) {
      assert.ok(kinds.has(kind), `nothing to ${kind} under "${heading}"`);
    }
    for (const step of steps) {
      if (step.kind !== "picture") continue;
      const bytes = readFileSync(join(ROOT, "docs/images", `${step.name}.png`));
      assert.ok(bytes.length < 200_000, `${step.name}.png has ${bytes.length} bytes`);
    }
  }
});

chromiumTest("every step of the guide of updates does what it says", async () => {
  const folder = mkdtempSync(join(tmpdir(), "alga-guide-"));
  const rehearsal = await startRehearsal({ speed: 40, words: ["--state", folder] });
  const browser = await openBrowser();
  const watch: Watch = { faults: [], silent: false };
  try {
    const page = await (await browser.newContext({ viewport: { width: 1100, height: 760 } })).newPage();
    watchPage(page, watch, rehearsal.url);
    await install(page, rehearsal);
    const scene: Scene = { page, rehearsal, folder, ended: (await newest(page, rehearsal)).id };
    for (const heading of HEADINGS) {
      for (const step of guideSteps(GUIDE, heading)) {
        await follow(scene, step).catch((thrown: unknown) => {
          throw new Error(`"${heading}", ${JSON.stringify(step)}: ${String(thrown)}`, { cause: thrown });
        });
      }
    }
    assert.deepEqual(watch.faults, []);
  } finally {
    await browser.close();
    await rehearsal.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

interface Scene {
  readonly page: Page;
  readonly rehearsal: Rehearsal;
  /** State folder of the box. */
  readonly folder: string;
  /** Id of the newest run that has ended. */
  ended: string;
}

async function follow(scene: Scene, step: GuideStep): Promise<void> {
  const { page } = scene;
  switch (step.kind) {
    case "open":
      return page.locator("nav a", { hasText: step.page }).first().click({ timeout: PATIENCE_MS });
    case "choose":
      return choose(page, step.label);
    case "type":
      return page.getByLabel(step.field, { exact: true }).fill(step.value);
    case "see":
      return see(page, step.words);
    case "end":
      await untilEnded(scene);
      return see(page, step.words);
    case "play":
      return play(scene, step);
    case "picture":
      return picture(page, step.name);
    case "command":
      return runCommand(scene, step.line);
  }
}

/** Waits for words and brings them before the eyes, and into the picture. */
async function see(page: Page, words: string): Promise<void> {
  const found = page.getByText(words).filter({ visible: true }).first();
  await found.waitFor({ timeout: PATIENCE_MS });
  await found.scrollIntoViewIfNeeded();
}

/** In a dialog that asks, what is chosen is its own button. */
async function choose(page: Page, label: string): Promise<void> {
  const dialog = page.locator("dialog[open]");
  const within = (await dialog.count()) > 0 ? dialog : page.locator("main");
  const named = { name: label, exact: true };
  await within.getByRole("button", named).or(within.getByRole("link", named)).first().click({ timeout: PATIENCE_MS });
}

async function play({ page, rehearsal }: Scene, step: Extract<GuideStep, { kind: "play" }>): Promise<void> {
  const { during } = step;
  if (during !== undefined) await until(async () => (await newest(page, rehearsal)).step === during);
  const scenario = step.scenario === "nothing" ? null : step.scenario;
  await ask(page, `${rehearsal.url}/api/rehearsal`, { scenario });
}

/** The run that was begun last has its end; one that had it before was another. */
async function untilEnded(scene: Scene): Promise<void> {
  await until(async () => {
    const { id, endedAt } = await newest(scene.page, scene.rehearsal);
    if (endedAt === null || id === scene.ended) return false;
    scene.ended = id;
    return true;
  });
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error("it never was so");
    await new Promise((done) => setTimeout(done, 100));
  }
}

async function newest(page: Page, { url }: Rehearsal): Promise<OperationView> {
  const answer = await page.context().request.get(`${url}/api/operations`);
  const { operations } = (await answer.json()) as { operations: OperationView[] };
  assert.ok(operations[0] !== undefined);
  return operations[0];
}

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.evaluate(() =>
    document.activeElement instanceof HTMLElement ? document.activeElement.blur() : undefined,
  );
  await page.mouse.move(0, 0);
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

/** Looking is done for real beside the page; what changes the box is the page's here, and asked for its flags. */
function runCommand({ rehearsal, folder }: Scene, line: string): void {
  const [program, ...words] = line.split(" ");
  assert.equal(program, "alga-appliance");
  const looks = /^update (?:check|plan|history)\b/.test(words.join(" "));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, JSON.stringify(accessOf(rehearsal)));
  const env = {
    ...{ PATH: process.env.PATH, HOME: folder, ALGA_APPLIANCE_ROOT: folder, ALGA_APPLIANCE_KUBECONFIG: kubeconfig },
    ...{ ALGA_APPLIANCE_REGISTRY_HOST: rehearsal.registry },
  };
  if (looks) {
    const { status, stdout, stderr } = run(words, env);
    // A plan that may not begin now is a plan: from here the application's public name leads nowhere.
    assert.ok(status === 0 || (words[1] === "plan" && status === 5), `${line} ends with ${status}: ${stdout}${stderr}`);
    assert.match(stdout, words[1] === "check" ? /1\.0\.3|1\.1\.0/ : /1\.\d\.\d/);
    return;
  }
  const verb = words.filter((word) => /^[a-z]+$/.test(word));
  const { status, stdout } = run([...verb, "--help"], env);
  assert.equal(status, 0, `${verb.join(" ")} is no command`);
  for (const flag of words.filter((word) => word.startsWith("--")))
    assert.ok(stdout.includes(flag), `${line}: no ${flag}`);
}

function run(words: readonly string[], env: Readonly<Record<string, string | undefined>>) {
  const { ALGA_EXECUTABLE: executable } = process.env;
  const [program, ...before] = executable === undefined ? [process.execPath, "src/main.ts"] : [resolve(executable)];
  return spawnSync(program ?? "", [...before, ...words], { cwd: ROOT, env, encoding: "utf8", timeout: 60_000 });
}

function accessOf({ kubernetes }: Rehearsal): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "box",
    contexts: [{ name: "box", context: { cluster: "box", user: "box" } }],
    clusters: [{ name: "box", cluster: { server: kubernetes } }],
    users: [{ name: "box", user: {} }],
  };
}

/** The wizard has its own tests; here it is only the way to a box that runs. */
async function install(page: Page, { url, token }: Rehearsal): Promise<void> {
  await ask(page, `${url}/api/session/claim`, { token, password: MANAGEMENT_PASSWORD });
  const { digest } = await ask(page, `${url}/api/setup/plan`, ANSWERS);
  await ask(page, `${url}/api/setup`, { ...ANSWERS, planDigest: digest });
  await page.goto(`${url}/`);
  await page.locator(".answer .badge.ready").waitFor({ timeout: PATIENCE_MS });
}

async function ask(page: Page, address: string, data: object): Promise<Record<string, unknown>> {
  const answer = await page.context().request.post(address, { data, headers: { origin: new URL(address).origin } });
  assert.ok(answer.ok(), `${address} answers ${answer.status()}: ${await answer.text()}`);
  const text = await answer.text();
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}
