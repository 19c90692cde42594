/** What the pulse counts, and when a rate is worse than that of the hour before. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { statusWith } from "../../test/support/status.ts";
import type { Inventory } from "../status/inventory.ts";
import type { Check } from "../status/model.ts";
import { begun, type Counts, NOTHING, sumOf, withInventory, withLook } from "./pulse.ts";
import { worseRates } from "./rates.ts";

const AT = "2026-11-21T10:00:00.000Z";
const at = (minute: number): string => new Date(Date.parse(AT) + minute * 60_000).toISOString();

function inventory(
  pods: Readonly<Record<string, number>>,
  events: readonly { readonly ref: string; readonly minute: number }[] = [],
): Inventory {
  return {
    pods: Object.entries(pods).map(([name, restarts]) => ({
      ...{
        namespace: "msp",
        name,
        component: name.startsWith("other") ? null : (name.split("-")[0] ?? ""),
        node: "box",
      },
      ...{ phase: "Running", ready: true, restarts, createdAt: null, containers: [] },
    })),
    events: events.map(({ ref, minute }) => ({
      ...{ at: at(minute), ref, namespace: "msp", name: ref.split("/")[1] ?? "", reason: "BackOff", message: "" },
    })),
    left: { pods: 0, events: 0 },
  };
}

describe("the pulse", () => {
  it("counts what starts again from where it was, and new pods whole", () => {
    const first = begun(inventory({ "web-1": 7, "worker-1": 0 }), AT);
    const next = withInventory(first, inventory({ "web-1": 7, "worker-1": 2, "web-2": 1, "other-1": 9 }), {
      at: at(1),
      minutes: 1,
    });
    assert.deepEqual(next.counts.restarts, { worker: 2, web: 1 });
    const again = withInventory(next, inventory({ "worker-1": 2, "web-2": 1 }), { at: at(2), minutes: 1 });
    assert.deepEqual([again.counts.restarts, again.counts.minutes], [{ worker: 2, web: 1 }, 2]);
  });

  it("counts warnings of components since it looked last, and those of nobody not", () => {
    const events = [
      { ref: "Pod msp/web-1", minute: 0 },
      { ref: "Pod msp/web-1", minute: 1 },
      { ref: "HelmRelease alga-system/worker", minute: 1 },
      { ref: "Node /box", minute: 1 },
      { ref: "Pod msp/web-1", minute: 9 },
    ];
    const seen = inventory({ "web-1": 0, "worker-1": 0 }, events);
    const next = withInventory(begun(seen, AT), seen, { at: at(2), minutes: 2 });
    assert.deepEqual(next.counts.warnings, { web: 1, worker: 1 });
  });

  it("counts looks at the login page; one that could not be made is none", () => {
    const error = { code: "login/server-error", tier: "login", state: "failed" } as Check;
    const seen = [
      statusWith(() => "ready"),
      statusWith((tier) => (tier === "login" ? "failed" : "ready")),
      statusWith((tier) => (tier === "login" ? "failed" : "ready"), { checks: [error] }),
      statusWith(() => "unknown"),
    ];
    const { looks, failed, errors } = seen.reduce<Counts>(withLook, NOTHING);
    assert.deepEqual([looks, failed, errors], [3, 2, 1]);
  });

  it("sums an hour and nothing else, whatever the clock was", () => {
    const minute = (name: number): Counts & { at: string } => ({
      ...NOTHING,
      minutes: 1,
      looks: 1,
      restarts: { web: 1 },
      at: at(name),
    });
    const minutes = [minute(-61), minute(-30), minute(0), minute(1), { ...minute(0), at: "no instant" }];
    const nowMs = Date.parse(AT);
    const { looks, restarts } = sumOf({ minutes }, nowMs - 3_600_000, nowMs);
    assert.deepEqual([looks, restarts], [2, { web: 2 }]);
  });
});

describe("a rate", () => {
  const hour = (change: Partial<Counts> = {}): Counts => ({ ...NOTHING, minutes: 60, looks: 60, ...change });
  const soak = (change: Partial<Counts>): Counts => ({ ...NOTHING, minutes: 5, looks: 150, ...change });
  const cases: readonly (readonly [string, Counts | undefined, Counts, readonly string[]])[] = [
    ["calm after calm", hour(), soak({}), []],
    [
      "a restart where there was none",
      hour(),
      soak({ restarts: { web: 1 } }),
      ["web was started again once in 5 min, 0 in the hour before"],
    ],
    ["restarts as often as before", hour({ restarts: { web: 12 } }), soak({ restarts: { web: 2 } }), []],
    [
      "restarts more often than before",
      hour({ restarts: { web: 3 } }),
      soak({ restarts: { web: 2 } }),
      ["web was started again 2 times in 5 min, 3 in the hour before"],
    ],
    [
      "a restart where nothing is known of before",
      undefined,
      soak({ restarts: { web: 1 } }),
      ["web was started again once in 5 min"],
    ],
    ["some warnings", hour(), soak({ warnings: { web: 4 } }), []],
    [
      "many warnings",
      hour({ warnings: { web: 2 } }),
      soak({ warnings: { web: 5 } }),
      ["Kubernetes warned of web 5 times in 5 min, 2 in the hour before"],
    ],
    ["warnings as ever", hour({ warnings: { web: 60 } }), soak({ warnings: { web: 6 } }), []],
    ["warnings where too little is known of before", hour({ minutes: 5 }), soak({ warnings: { web: 50 } }), []],
    ["one look that failed", hour(), soak({ failed: 1 }), []],
    [
      "looks that failed",
      hour(),
      soak({ failed: 5 }),
      ["The login page was not there at 5 of 150 looks, 0 of 60 in the hour before"],
    ],
    ["looks that failed as ever", hour({ failed: 3 }), soak({ failed: 5 }), []],
    [
      "server errors",
      hour(),
      soak({ failed: 1, errors: 1 }),
      ["The login page answered with a server error at 1 of 150 looks, 0 of 60 in the hour before"],
    ],
  ];
  for (const [name, before, now, wanted] of cases) {
    it(`${name} is ${wanted.length === 0 ? "no" : "a"} reason`, () =>
      assert.deepEqual(worseRates(before, now), wanted));
  }
  it("tells the login page first, then restarts, then warnings, worst first", () => {
    const now = soak({ failed: 9, restarts: { a: 1, b: 4 }, warnings: { c: 30 } });
    assert.deepEqual(
      worseRates(hour(), now).map((one) => one.split(" ")[0]),
      ["The", "b", "a", "Kubernetes"],
    );
  });
});
