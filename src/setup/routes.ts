/** The HTTP edge of setup: what the wizard shows first, the plan, and the start. */
import { json, type Route } from "../core/http.ts";
import type { Address } from "./address.ts";
import type { AdminPassword } from "./admin-password.ts";
import type { Setup } from "./engine.ts";
import type { LicenseKey } from "./license-key.ts";

/** The routes of setup. Bodies are untrusted and read by the engine, which answers field by field. */
export function setupRoutes(setup: Setup): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/setup/config",
      access: "session",
      summary:
        "Mode, saved answers without secrets, the network of the box, channels offered, and the running operation",
      handle: async ({ signal }) => json(await setup.config(signal)),
    },
    {
      method: "POST",
      path: "/api/setup/plan",
      access: "session",
      summary: "The plan for these answers; nothing is changed",
      handle: async ({ body, signal }) => json(await setup.plan(body, signal)),
    },
    {
      method: "POST",
      path: "/api/setup/name-servers",
      access: "session",
      summary: "Asks each name server of these answers, and them all for the application's name; nothing is changed",
      handle: async ({ body }) => json(await setup.nameServers(body)),
    },
    {
      method: "POST",
      path: "/api/setup",
      access: "session",
      summary: "Saves the answers and starts setup, or corrects and goes on with the one that waits or is blocked",
      handle: async ({ body, signal }) => json({ operation: await setup.start(body, signal) }, { status: 202 }),
    },
  ];
}

/** The routes of a change of the application's address. Bodies are untrusted and read by the engine. */
export function addressRoutes(address: Address): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/settings/app-url",
      access: "session",
      summary: "The application's address, and the one before it",
      handle: async () => json(await address.view()),
    },
    {
      method: "POST",
      path: "/api/settings/app-url/plan",
      access: "session",
      summary: "What another address would change and start again; nothing is changed",
      handle: async ({ body, signal }) => json(await address.plan(body, signal)),
    },
    {
      method: "POST",
      path: "/api/settings/app-url",
      access: "session",
      summary: "Changes the application's address as an operation",
      handle: async ({ body, signal }) => json({ operation: await address.start(body, signal) }, { status: 202 }),
    },
  ];
}

/** The routes of another license. Key and code are in the body only, and in no answer. */
export function licenseRoutes(licenseKey: LicenseKey): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/settings/license",
      access: "session",
      summary: "What the license key in use says of itself, and whether the one before can be gone back to",
      handle: async ({ signal }) => json(await licenseKey.view(signal)),
    },
    {
      method: "POST",
      path: "/api/settings/license/plan",
      access: "session",
      summary: "What another license key or an install code would change; nothing is changed",
      handle: async ({ body, signal }) => json(await licenseKey.plan(body, signal)),
    },
    {
      method: "POST",
      path: "/api/settings/license",
      access: "session",
      summary:
        "Has the application take another license key, that of an install code, or the one before, as an operation",
      handle: async ({ body, signal }) => json({ operation: await licenseKey.start(body, signal) }, { status: 202 }),
    },
  ];
}

/** The routes of a new administrator's password. The password is in the body only, and in no answer. */
export function adminPasswordRoutes(adminPassword: AdminPassword): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/settings/admin-password",
      access: "session",
      summary: "Whether the first administrator's password can be set anew, and whose it is",
      handle: async ({ signal }) => json(await adminPassword.view(signal)),
    },
    {
      method: "POST",
      path: "/api/settings/admin-password",
      access: "session",
      summary: "Sets the first administrator's password anew as an operation",
      handle: async ({ body, signal }) => json({ operation: await adminPassword.start(body, signal) }, { status: 202 }),
    },
  ];
}
