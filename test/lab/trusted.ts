// A publisher whose channels can be believed: keys and signed metadata made by the executable under test, the files that a box
// gets of them, and what a box that has them must say.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Appliance, Check } from "./appliance.ts";
import type { Place, Publisher } from "./publisher.ts";

/** Roles of signed metadata; each has a key of its own. `release` signs releases and what channels mean. */
const KEYS = ["root", "release", "online"] as const;
type Key = (typeof KEYS)[number];

/** Where a box looks for what it believes. */
const TRUSTED_KEYS = "etc/alga-appliance/trusted-keys";
const ROOT = "etc/alga-appliance/root.json";

export interface Trusted {
  /** The publisher's root document. */
  readonly root: string;
  /** Public key by which releases are signed. */
  readonly publicKey: string;
  /** Its id, as screens show it. */
  readonly keyId: string;
  /** Flags of `release build`: signed provenance. */
  readonly building: readonly string[];
  /** Flags of `release publish`, `promote` and `pipeline`: signatures and signed metadata. */
  readonly publishing: readonly string[];
}

/** Makes the keys of all roles and begins signed metadata at a place. Only once for each place. */
export function beginTrusted(publisher: Publisher, place: Place): Trusted {
  const folder = publisher.path("keys");
  const ids = new Map<Key, string>();
  for (const name of KEYS) {
    const made = publisher.does<{ id: string }>("release", "keygen", "--out", folder, "--name", name, "--open");
    ids.set(name, made.id);
  }
  const file = (name: Key, part: "key" | "pub"): string => join(folder, `${name}.${part}`);
  const root = publisher.path("root.json");
  const roles = KEYS.flatMap((name) => [`--${name === "release" ? "targets" : name}-key`, file(name, "pub")]);
  const signing = KEYS.flatMap((name) => ["--key", file(name, "key")]);
  publisher.does("release", "trust", "init", ...roles, ...signing, "--out", root, ...publisher.at(place));
  const building = ["--key", file("release", "key")];
  return {
    root,
    publicKey: file("release", "pub"),
    keyId: ids.get("release") ?? "",
    building,
    publishing: ["--root", root, ...building, "--key", file("online", "key")],
  };
}

/**
 * Lays what a box believes into a stopped tree.
 *
 * @param what Only keys: a tag says what a channel is, and the release must be signed. Both: signed metadata says it.
 */
export function believe(tree: string, trusted: Trusted, what: "keys" | "keys and root" = "keys and root"): void {
  mkdirSync(join(tree, TRUSTED_KEYS), { recursive: true });
  copyFileSync(trusted.publicKey, join(tree, TRUSTED_KEYS, "publisher.pem"));
  if (what === "keys and root") copyFileSync(trusted.root, join(tree, ROOT));
}

interface Refusal {
  readonly code: string;
  readonly detail: string;
  readonly hint?: string;
}

/** What a box that is claimed says of a channel that it does not believe: the same code on the way to a plan and among the offers. */
export async function refusesChannel(appliance: Appliance, answers: object, code: string): Promise<void> {
  const config = await appliance.ask<{ channels: { name: string }[]; channelsProblem: { code: string } | null }>(
    "GET",
    "/api/setup/config",
  );
  assert.ok(!config.channels.some(({ name }) => name === "stable"), "a channel that does not verify is offered");
  assert.equal(config.channelsProblem?.code, code);
  const plan = await appliance.call<Refusal>("POST", "/api/setup/plan", answers);
  assert.equal(plan.body.code, code, JSON.stringify(plan.body));
  assert.ok((plan.body.hint ?? "") !== "", "the refusal does not say what to do");
  const status = await appliance.ask<{ release: unknown; checks: Check[] }>("GET", "/api/status");
  assert.equal(status.release, null, "a release that does not verify counts as installed");
}
