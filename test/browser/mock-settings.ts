/** Settings of the mock box: its name, the application's address, the administrator's password. */
import { publicError } from "../../src/core/errors.ts";
import { parseName } from "../../src/status/appliance-name.ts";
import type { NameAnswer } from "../../ui/state/wire.ts";
import { type MockAnswer, type MockCallBody, refusal } from "./mock-answers.ts";

type Answer = (route: string, body: MockCallBody) => MockAnswer | undefined;

const APP_URL = "https://psa.example.com";

export function createMockSettings(): Answer {
  const name = createMockName();
  return (route, body) => {
    switch (route) {
      case "GET /api/settings/name":
      case "PUT /api/settings/name":
        return name(route, body);
      case "GET /api/settings/app-url":
        return { status: 200, value: { url: APP_URL, former: "https://old.example.com" } };
      case "POST /api/settings/app-url/plan":
        return addressPlan(body);
      case "GET /api/settings/admin-password":
        return { status: 200, value: { available: true, email: "admin@example.com", reason: null } };
      case "POST /api/settings/admin-password":
        return setPassword(body);
      case "GET /api/settings/license":
        return { status: 200, value: { available: true, reason: null, now: KEY_NOW, former: null } };
      case "POST /api/settings/license/plan":
        return licensePlan(body);
      case "POST /api/settings/license":
        return { status: 202, value: { operation: { ...STARTED, kind: "license" } } };
      case "POST /api/settings/app-url":
        return { status: 202, value: { operation: { ...STARTED, kind: "address" } } };
      default:
        return undefined;
    }
  };
}

const STARTED = {
  ...{ id: "0004-settings", kind: "password", state: "running", step: "apply", endedAt: null, problem: null },
  ...{ startedAt: "2026-11-21T10:00:00.000Z", progress: { done: 0, total: 1, unit: "steps" } },
  steps: [
    {
      id: "apply",
      title: "Write it",
      state: "running",
      startedAt: "2026-11-21T10:00:00.000Z",
      endedAt: null,
      detail: null,
    },
  ],
};

function addressPlan({ appHostname = "" }: MockCallBody): MockAnswer {
  if (!appHostname.includes(".")) return wrong("appHostname", "This is not an address that a browser can open.");
  const to = appHostname.startsWith("https://") ? appHostname : `https://${appHostname}`;
  const release = { version: "1.0.3", digest: `sha256:${"a".repeat(64)}` };
  const plan = { digest: "sha256:address", from: APP_URL, to, release, components: ["alga-core", "workflow-worker"] };
  return {
    status: 200,
    value: { ...plan, steps: [], expectedMs: 180_000, warnings: [`${to} is not known to your DNS`] },
  };
}

const KEY_NOW = { edition: "pro", expiresAt: "2027-03-01T00:00:00.000Z", perpetual: false, state: "active" };

function licensePlan({ licenseKey = "", installCode = "" }: MockCallBody): MockAnswer {
  if (installCode !== "" && licenseKey !== "")
    return wrong("installCode", "Give the install code or the license key, not both.");
  if (installCode !== "") return codePlan();
  if (licenseKey.split(".").length !== 3)
    return wrong("licenseKey", "Paste the whole license key: three parts with a dot between them.");
  const to = { edition: "premium", expiresAt: null, perpetual: true, state: "active" };
  return {
    status: 200,
    value: { digest: "sha256:license", by: "key", from: KEY_NOW, to, steps: [], expectedMs: 1, warnings: [] },
  };
}

function codePlan(): MockAnswer {
  const warnings = ["An install code is good once."];
  const plan = { digest: "sha256:license", by: "code", from: KEY_NOW, to: null, steps: [], expectedMs: 1, warnings };
  return { status: 200, value: plan };
}

function setPassword({ password = "", passwordConfirm }: MockCallBody): MockAnswer {
  if (password.length < 8) return wrong("password", "Use at least 8 characters.");
  if (password !== passwordConfirm) return wrong("passwordConfirm", "The two passwords are different.");
  return { status: 202, value: { operation: STARTED } };
}

function wrong(field: string, detail: string): MockAnswer {
  const answer = refusal(400, { code: "setup/invalid-answers", detail });
  return { ...answer, value: { ...(answer.value as object), errors: [{ field, code: "wrong", detail }] } };
}

/** The name by the rules of the product itself. */
function createMockName(): (route: string, body: MockCallBody) => MockAnswer {
  let chosen: string | null = null;
  return (route, body) => {
    try {
      if (route.startsWith("PUT")) chosen = parseName(body) || null;
      return { status: 200, value: { name: chosen ?? "box-7f3a", chosen } satisfies NameAnswer };
    } catch (thrown) {
      const { message, details } = publicError(thrown);
      return { status: 400, value: { code: "setup/invalid-answers", status: 400, detail: message, ...details } };
    }
  };
}
