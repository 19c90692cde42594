/** A box without keys says "unverified" in every text that names a release; one with keys says by which. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestOf } from "../src/core/digest.ts";
import { bannerLines } from "../src/host/banner.ts";
import { createRegistryServer } from "../src/oci/registry-server.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemRandom } from "../src/platform/random.ts";
import { signedLines } from "../src/publishing/bundle-trust.ts";
import { createMemoryFiles } from "../src/rehearsal/memory-files.ts";
import { buildSampleRelease } from "../src/rehearsal/sample-release.ts";
import { commands as releaseCommands } from "../src/release/command.ts";
import { setupCommands } from "../src/setup/command.ts";
import { historyText, planText } from "../src/setup/command-text.ts";
import type { SetupPlan } from "../src/setup/plan.ts";
import { releaseText, writeLadder } from "../src/status/ladder.ts";
import type { ApplianceStatus } from "../src/status/model.ts";
import { planText as updatePlanText } from "../src/update/command-text.ts";
import type { UpdatePlan } from "../src/update/model.ts";
import { commandContext, newSaid } from "./support/command-context.ts";
import { statusWith } from "./support/status.ts";

const DIGEST = digestOf("a release");
const KEY = "1f74167495f2".padEnd(64, "0");
const PLAIN = { color: false, columns: 80 };

function plan(verifiedBy: string): SetupPlan {
  return {
    digest: DIGEST,
    release: { version: "1.0.3", digest: DIGEST, channel: "stable", verifiedBy },
    steps: [],
    downloads: [],
    totalBytes: 0,
    changes: [],
    expectedMs: 60_000,
    warnings: [],
  };
}

function updatePlan(verifiedBy: string): UpdatePlan {
  const release = { version: "1.0.3", digest: DIGEST, channel: "stable" };
  return {
    digest: DIGEST,
    kind: "repair",
    from: release,
    to: { ...release, createdAt: null, verifiedBy },
    components: [],
    other: [],
    definitions: [],
    checks: [],
    downloads: [],
    downloadBytes: 0,
    unknownSizes: [],
    disk: null,
    expectedMs: 60_000,
    expectedFrom: "estimate",
    irreversible: [],
    steps: [],
    notNow: [],
    warnings: [],
  };
}

function statusOf(verifiedBy: string): ApplianceStatus {
  return statusWith(() => "ready", { release: { channel: "stable", version: "1.0.3", digest: DIGEST, verifiedBy } });
}

function history(verifiedBy: string) {
  const times = { at: "2026-11-21T00:00:00.000Z", startedAt: "2026-11-20T23:00:00.000Z" };
  const common = { schema: "alga.appliance.history/v1" as const, ...times, kind: "setup" as const };
  return [{ ...common, operationId: "0001-setup", state: "done" as const, about: { version: "1.0.3", verifiedBy } }];
}

/** What the console of a box draws beside its address. */
function bannerOf(status: ApplianceStatus, claimed: boolean): string {
  const told = { message: "Everything works", next: null, doing: null, release: releaseText(status) };
  const box = { name: "box", version: "1.0.3", addresses: ["192.0.2.10"], port: 8080, bootstrap: null };
  return bannerLines({ ...box, answers: true, claimed, token: null, status: told }).join("\n");
}

/** Texts that name one release, by where a person reads them. */
const TEXTS: Readonly<Record<string, (verifiedBy: string) => string>> = {
  status: (verifiedBy) => writeLadder(statusOf(verifiedBy), PLAIN),
  "the banner of the console": (verifiedBy) => bannerOf(statusOf(verifiedBy), true),
  "setup plan": (verifiedBy) => planText(plan(verifiedBy)),
  "setup history": (verifiedBy) => historyText(history(verifiedBy)),
  "update plan": (verifiedBy) => updatePlanText(updatePlan(verifiedBy)),
  "release check and load": (verifiedBy) => signedLines([{ version: "1.0.3", verifiedBy }]).join("\n"),
};

describe("a release that nobody whom the box trusts has signed", () => {
  for (const [where, write] of Object.entries(TEXTS)) {
    it(`is called unverified by ${where}, and one that is signed is not`, () => {
      assert.match(write("none"), /\bunverified\b/);
      const signed = write(KEY);
      assert.match(signed, /by key 1f74167495f2/);
      assert.doesNotMatch(signed, /unverified/);
    });
  }

  it("is called unverified by release resolve and inspect", async () => {
    const { fetch, store } = createRegistryServer();
    buildSampleRelease(store, { registry: "registry.test", version: "1.0.3", channels: ["stable"] });
    for (const verb of ["resolve", "inspect"]) {
      const said = newSaid();
      const command = releaseCommands.find(({ path }) => path.join(" ") === `release ${verb}`);
      const wire = { transports: { open: () => fetch }, files: createMemoryFiles() };
      const deps = { ...wire, clock: systemClock, random: systemRandom };
      const flags = { registry: "registry.test", "plain-http": true };
      assert.equal(await command?.run(commandContext({ flags, deps, said }).context), 0);
      assert.match(said.text, /\bunverified\b/, verb);
    }
  });

  it("is told before there is a release: by the status of a box without keys, and not by one with keys", () => {
    const of = (verifies: boolean | undefined): string => {
      const bare = statusWith(() => "unknown");
      const appliance = verifies === undefined ? bare.appliance : { ...bare.appliance, verifies };
      return writeLadder({ ...bare, appliance }, PLAIN);
    };
    const bare = statusWith(() => "unknown");
    const keyless = { ...bare, appliance: { ...bare.appliance, verifies: false } };
    assert.match(
      bannerOf(keyless, false),
      /Releases are unverified/,
      "the console, before anybody has claimed the box",
    );
    assert.match(of(false), /Releases are unverified: this box trusts no publisher's key/);
    assert.doesNotMatch(of(true), /unverified/);
    assert.doesNotMatch(of(undefined), /unverified/);
  });

  it("may be taken by a box with keys where the operator says so, by a flag of every verb that installs", () => {
    const installing = ["setup plan", "setup run", "setup resume", "release resolve"];
    const all = [...setupCommands(() => Promise.reject(new Error("nothing is run here"))), ...releaseCommands];
    for (const words of installing) {
      const flags = all.find(({ path }) => path.join(" ") === words)?.flags.map(({ name }) => name) ?? [];
      assert.ok(flags.includes("allow-unsigned") && flags.includes("accept-expired"), words);
    }
  });
});
