/** A registry that repeats our login: nothing of it may reach what is thrown or logged. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { fakeClock, testDeps, utf8 } from "../../test/support/oci.ts";
import { digestOf } from "../core/digest.ts";
import { publicError } from "../core/errors.ts";
import { createLog } from "../core/log.ts";
import type { Fetch } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { pushArtifact } from "./artifact.ts";
import { createRegistryClient, type RegistryClient } from "./client.ts";
import { pushStore } from "./push.ts";
import { createMemoryStore } from "./store.ts";

const PASSWORD = "canary pass/word";
const TOKEN = "canary-token-0123456789";
const credentials = { kind: "password", username: "bob", password: new Secret(PASSWORD) } as const;

/** All forms in which the login could be seen. */
const FORMS = [PASSWORD, TOKEN, Buffer.from(`bob:${PASSWORD}`).toString("base64"), encodeURIComponent(PASSWORD)];

/** Wants a login, then answers with it. */
function echoing(scheme: "basic" | "bearer", answer: (said: string, request: Request) => Response): Fetch {
  return async (request) => {
    const url = new URL(request.url);
    const login = request.headers.get("authorization") ?? "";
    if (url.pathname === "/token") return Response.json({ token: TOKEN });
    const challenge = scheme === "basic" ? 'Basic realm="x"' : 'Bearer realm="https://registry.test/token"';
    if (login === "") return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
    const text = login.slice(login.indexOf(" ") + 1);
    return answer(`${text} ${Buffer.from(text, "base64").toString()} ${encodeURIComponent(PASSWORD)}`, request);
  };
}

const ANSWERS: Readonly<Record<string, (said: string) => Response>> = {
  "a refusal": (said) => Response.json({ errors: [{ code: "DENIED", message: said }] }, { status: 403 }),
  "a server error": (said) => Response.json({ errors: [{ code: "OOPS", message: said }] }, { status: 503 }),
  "a media type": (said) =>
    new Response(JSON.stringify({ schemaVersion: 2, mediaType: said }), {
      headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
    }),
  "a redirect": (said) =>
    new Response(null, {
      status: 307,
      headers: { location: `http://evil.test/${said.split(" ")[0]}/${said.split(" ").at(-1)}` },
    }),
  "a digest header": (said) =>
    new Response("{}", { headers: { "docker-content-digest": said.split(" ")[0] ?? "", "content-type": "a/b" } }),
};

const BLOB = { mediaType: "a/b", digest: digestOf(utf8("x")), size: 1 };
const CALLS: Readonly<Record<string, (client: RegistryClient) => Promise<unknown>>> = {
  ping: (client) => client.ping(),
  resolve: (client) => client.resolve("a/b", "stable"),
  manifest: (client) => client.manifest("a/b", "stable"),
  blob: (client) => client.blob("a/b", BLOB),
  tags: (client) => client.tags("a/b"),
};

describe("a registry that repeats the login", () => {
  for (const scheme of ["basic", "bearer"] as const) {
    for (const [what, answer] of Object.entries(ANSWERS)) {
      it(`shows nothing of a ${scheme} login through ${what}`, async () => {
        const clock = fakeClock();
        const lines: string[] = [];
        const log = createLog({
          now: () => 0,
          level: "debug",
          write: (record) => void lines.push(inspect(record, { depth: 20 })),
        });
        const deps = { ...testDeps(clock), log, fetch: echoing(scheme, answer) };
        const client = createRegistryClient(deps, { registry: "registry.test", credentials });
        for (const call of Object.values(CALLS)) {
          const thrown = await call(client).then(
            () => undefined,
            (error: unknown) => error,
          );
          log.error("command failed", { error: thrown });
          lines.push(JSON.stringify(publicError(thrown)), inspect(thrown, { depth: 20 }));
        }
        for (const form of FORMS) assert.equal(lines.filter((line) => line.includes(form)).join("\n"), "", form);
      });
    }
  }

  it("keeps code, exit and the rest of the message", async () => {
    const fetch = echoing("basic", ANSWERS["a refusal"] ?? assert.fail());
    const client = createRegistryClient({ ...testDeps(), fetch }, { registry: "registry.test", credentials });
    await assert.rejects(client.manifest("a/b", "stable"), {
      code: "oci/forbidden",
      details: { status: 403 },
      message: /^Cannot read "registry\.test\/a\/b:stable": the registry answers 403 \(DENIED: \[redacted\]/,
    });
  });

  it("shows nothing of it to a publisher either", async () => {
    const store = createMemoryStore();
    pushArtifact(store, "a/b", { tag: "x" });
    const fetch = echoing("basic", ANSWERS["a refusal"] ?? assert.fail());
    const thrown = await pushStore(store, { ...testDeps(), fetch }, { registry: "registry.test", credentials }).then(
      () => assert.fail("the push went through"),
      (error: unknown) => error,
    );
    for (const form of FORMS) assert.ok(!inspect(thrown, { depth: 20 }).includes(form), form);
  });
});
