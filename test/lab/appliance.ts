// The appliance as the wizard sees it: the same requests, cookie and headers, from outside the box.

import { Hopeless, until } from "../../scripts/lab/daemon.ts";

export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  readonly retrySafe: boolean;
  readonly evidence: readonly { readonly ref: string; readonly text: string }[];
}

export interface Operation {
  readonly id: string;
  readonly kind: string;
  readonly state: "running" | "waiting" | "blocked" | "done" | "failed" | "cancelled";
  readonly step: string | null;
  readonly steps: readonly { readonly id: string; readonly state: string; readonly detail: string | null }[];
  readonly problem: Problem | null;
}

export interface Check {
  readonly code: string;
  readonly tier: string;
  readonly state: "ok" | "progressing" | "failed" | "unknown";
  readonly title: string;
  readonly cause: string;
  readonly evidence: readonly { readonly ref: string; readonly text: string }[];
  readonly next: string | null;
}

export interface Status {
  readonly schema: string;
  readonly phase: string;
  readonly release: {
    readonly channel: string;
    readonly version: string;
    readonly digest: string;
    readonly verifiedBy: string;
  } | null;
  readonly summary: { readonly state: string; readonly message: string; readonly next: string | null };
  readonly tiers: Readonly<Record<string, { readonly state: string; readonly reason: string }>>;
  readonly checks: readonly Check[];
  readonly components: readonly { readonly name: string; readonly state: string }[];
  readonly operation: Operation | null;
  readonly urls: { readonly login: string | null; readonly setup: string | null };
}

export interface UpdatePlan {
  readonly digest: string;
  readonly to: { readonly digest: string; readonly verifiedBy: string };
  readonly components: readonly { readonly name: string }[];
  readonly notNow: readonly unknown[];
}

/** One line of the history of updates. */
export interface UpdateRecord {
  readonly outcome: string;
  readonly verdict: string | null;
  readonly reason: string | null;
}

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** What every setup of the lab answers; the password stands only here and must be found nowhere on the box. */
export const ADMIN_PASSWORD = "Lab-Admin-Passw0rd-42!";
export const MANAGEMENT_PASSWORD = "Lab-Box-Passw0rd-77!";
export const ANSWERS = {
  channel: "stable",
  appHostname: "http://10.77.0.2:3000",
  dnsMode: "system",
  tenantName: "Lab & Söhne GmbH",
  adminFirstName: "Ada",
  adminLastName: "O'Brien",
  adminEmail: "Ada.OBrien@Example.com",
  adminPassword: ADMIN_PASSWORD,
  adminPasswordConfirm: ADMIN_PASSWORD,
  editionChoice: "ce",
} as const;

let latest: Appliance | undefined;

/** The one that a case spoke with last: whom to ask when it failed. */
export function latestAppliance(): Appliance | undefined {
  return latest;
}

export class Appliance {
  readonly address: string;
  #cookie = "";

  constructor(address: string) {
    this.address = address;
    latest = this;
  }

  /** The session cookie as the browser would send it: `name=value`. */
  get cookie(): string {
    return this.#cookie;
  }

  /** One request; never throws for a status code. Redirects are answered, not followed. */
  async call<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const response = await fetch(`${this.address}${path}`, {
      method,
      redirect: "manual",
      signal: AbortSignal.timeout(60_000),
      headers: {
        origin: this.address,
        ...(this.#cookie === "" ? {} : { cookie: this.#cookie }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const cookie = response.headers.getSetCookie()[0]?.split(";")[0];
    if (cookie !== undefined) this.#cookie = cookie;
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
  }

  /**
   * Logs in anew when the process has begun since the last login: it knows no session of the one before.
   *
   * @throws {Error} with the problem document when the answer is not 2xx
   */
  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    let answer = await this.call<T>(method, path, body);
    if (answer.status === 401 && this.#cookie !== "" && !path.startsWith("/api/session")) {
      await this.login();
      answer = await this.call<T>(method, path, body);
    }
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body).slice(0, 1000)}`);
  }

  claim(token: string): Promise<unknown> {
    return this.ask("POST", "/api/session/claim", { token, password: MANAGEMENT_PASSWORD });
  }

  login(): Promise<unknown> {
    return this.ask("POST", "/api/session", { password: MANAGEMENT_PASSWORD });
  }

  status(): Promise<Status> {
    return this.ask("GET", "/api/status");
  }

  async start(answers: object): Promise<Operation> {
    return (await this.ask<{ operation: Operation }>("POST", "/api/setup", answers)).operation;
  }

  /** The newest operation, with its journal. */
  async operation(id: string): Promise<{ operation: Operation; journal: readonly { kind: string }[] }> {
    return this.ask("GET", `/api/operations/${id}`);
  }

  /** Asks a stopped operation to go on. It may have gone on by itself meanwhile, and then says so (409). */
  async resume(id: string): Promise<void> {
    const { status, body } = await this.call("POST", `/api/operations/${id}/resume`);
    const isGoing = (status >= 200 && status < 300) || status === 409;
    if (!isGoing) throw new Error(`resume answered ${status}: ${JSON.stringify(body).slice(0, 1000)}`);
  }

  /** Waits until a setup has reached a step, or has passed it; asks often, since a step may be short. */
  async reaches(id: string, step: string, seconds: number): Promise<Operation> {
    return this.#waits(id, `no step ${step}`, seconds, async (operation) => {
      const state = operation.steps.find((one) => one.id === step)?.state;
      return state !== undefined && state !== "pending" ? operation : undefined;
    });
  }

  /** Waits until the operation tells a problem that matches, and answers it. */
  async tells(id: string, pattern: RegExp, seconds: number): Promise<Problem> {
    return this.#waits(id, `no problem that matches ${pattern}`, seconds, async ({ problem }) =>
      problem !== null && pattern.test(JSON.stringify(problem)) ? problem : undefined,
    );
  }

  /** Waits until the setup is done; answers a blocked one by resuming it, when that is asked for. */
  async finishes(id: string, seconds: number, resumeWhenBlocked = false): Promise<Operation> {
    return this.#waits(id, "the setup does not end", seconds, async (operation) => {
      if (["failed", "cancelled"].includes(operation.state)) throw new Final(operation);
      if (operation.state === "blocked") {
        if (!resumeWhenBlocked) throw new Final(operation);
        await this.resume(id);
      }
      return operation.state === "done" ? operation : undefined;
    });
  }

  /** Waits until an operation has ended, however it ends. */
  async ends(id: string, seconds: number): Promise<Operation> {
    return this.#waits(id, "the operation does not end", seconds, async (operation) =>
      ["done", "failed", "cancelled", "blocked"].includes(operation.state) ? operation : undefined,
    );
  }

  /** Waits until the operation is as wanted. */
  async #waits<T>(
    id: string,
    missing: string,
    seconds: number,
    wanted: (operation: Operation) => Promise<T | undefined>,
  ): Promise<NonNullable<T>> {
    let last = "nothing";
    try {
      return await until(missing, seconds, async () => {
        const { operation } = await this.operation(id);
        last = JSON.stringify({ state: operation.state, step: operation.step, problem: operation.problem });
        return wanted(operation);
      });
    } catch (problem) {
      throw new Error(`${missing}: ${problem instanceof Error ? problem.message : problem}; last seen: ${last}`);
    }
  }

  /** Waits until the status is as wanted. */
  async shows(what: string, seconds: number, wanted: (status: Status) => boolean): Promise<Status> {
    let last = "nothing";
    try {
      return await until(what, seconds, async () => {
        const status = await this.status();
        last = JSON.stringify({ phase: status.phase, summary: status.summary, tiers: status.tiers });
        return wanted(status) ? status : undefined;
      });
    } catch (problem) {
      throw new Error(`the status never shows ${what}: ${problem}; last seen: ${last}`);
    }
  }

  /** Waits until the process answers /healthz (after a kill, a restart, a boot). */
  async answers(seconds: number): Promise<void> {
    await until("/healthz", seconds, async () => (await this.call("GET", "/healthz")).status === 200);
  }
}

/** An operation that will not change any more, so that nobody need wait. */
class Final extends Hopeless {
  constructor(operation: Operation) {
    super(`it stands as ${operation.state}`);
  }
}

/** Waits until the application shows its login page. Its web pod may answer late on a slow machine, and never wrong. */
export async function loginAnswers(seconds = 60): Promise<{ url: string }> {
  let last = 0;
  try {
    return await until("the login page", seconds, async () => {
      const page = await loginPage();
      last = page.status;
      return page.status === 200 ? page : undefined;
    });
  } catch {
    throw new Error(`the setup is done, but the login page does not answer within ${seconds} s: status ${last}`);
  }
}

/** The application's login page, followed from `/` as a browser does; the final status, or 0 when nothing answers. */
async function loginPage(): Promise<{ status: number; url: string }> {
  try {
    const response = await fetch("http://10.77.0.2:3000/", { signal: AbortSignal.timeout(20_000) });
    await response.arrayBuffer();
    return { status: response.status, url: response.url };
  } catch {
    return { status: 0, url: "" };
  }
}

/** Signs in at the application; the status says whether it took the password. */
export async function signIn(email: string, password: string): Promise<number> {
  const body = new URLSearchParams({ email, password });
  return until("an answer to the sign-in", 60, async () => {
    const signal = AbortSignal.timeout(20_000);
    return (await fetch("http://10.77.0.2:3000/auth/signin", { method: "POST", body, signal })).status;
  });
}
