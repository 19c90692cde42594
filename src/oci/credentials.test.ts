import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { utf8 } from "../../test/support/oci.ts";
import { isApplianceError } from "../core/errors.ts";
import { type Credentials, credentialPlaces, findCredentials } from "./credentials.ts";

const auth = (user: string, password: string): string => Buffer.from(`${user}:${password}`).toString("base64");
const filesWith = (content: Readonly<Record<string, unknown>>) => ({
  read: async (path: string) => {
    const value = content[path];
    return value === undefined ? undefined : utf8(typeof value === "string" ? value : JSON.stringify(value));
  },
});
/** The login in words, for comparing. */
function shown(found: Credentials | undefined): string {
  if (found === undefined) return "anonymous";
  return found.kind === "password"
    ? `${found.username}:${found.password.reveal()}`
    : `${found.kind} ${found.token.reveal()}`;
}

describe("findCredentials()", () => {
  const file = {
    auths: {
      "ghcr.io": { auth: auth("alga", "s3:cret") },
      "ghcr.io/nine-minds/private": { auth: auth("robot", "deep") },
      "https://index.docker.io/v1/": { auth: auth("docker", "hub") },
      "identity.test": { identitytoken: "refresh" },
      "bearer.test": { registrytoken: "direct" },
      "plain.test:5000": { username: "u", password: "p" },
      "empty.test": {},
    },
    credsStore: "secretservice",
    credHelpers: { "gcr.test": "gcloud" },
  };
  for (const [target, expected] of [
    ["ghcr.io", "alga:s3:cret"],
    ["GHCR.IO/nine-minds/alga-appliance-release", "alga:s3:cret"],
    ["ghcr.io/nine-minds/private/x", "robot:deep"],
    ["docker.io/library/x", "docker:hub"],
    ["identity.test", "identity refresh"],
    ["bearer.test", "bearer direct"],
    ["plain.test:5000", "u:p"],
    ["plain.test", "anonymous"],
    ["empty.test", "anonymous"],
    ["evil-ghcr.io", "anonymous"],
  ] as const) {
    it(`finds ${expected.split(":")[0]} for ${target}`, async () => {
      const found = await findCredentials(filesWith({ "/c": file }), ["/c"], target);
      assert.equal(shown(found.credentials), expected);
    });
  }

  it("names a helper in a hint and does not run it", async () => {
    const named = await findCredentials(filesWith({ "/c": file }), ["/c"], "gcr.test/x");
    assert.match(named.hint ?? "", /docker-credential-gcloud.*--username/);
    const store = await findCredentials(filesWith({ "/c": file }), ["/c"], "other.test");
    assert.match(store.hint ?? "", /docker-credential-secretservice/);
  });

  it("takes the first file that has the registry", async () => {
    const files = filesWith({
      "/b": { auths: { "ghcr.io": { auth: auth("first", "1") } } },
      "/c": file,
    });
    const found = await findCredentials(files, ["/a", "/b", "/c"], "ghcr.io");
    assert.deepEqual([shown(found.credentials), found.source], ["first:1", "/b"]);
  });

  it("refuses a file that is not what it should be, and shows nothing of it", async () => {
    for (const content of ["{", "[]", { auths: { "ghcr.io": { auth: Buffer.from("s3cret").toString("base64") } } }]) {
      await assert.rejects(
        findCredentials(filesWith({ "/c": content }), ["/c"], "ghcr.io"),
        (e) => isApplianceError(e, "config/invalid") && !e.message.includes("s3cret") && e.message.includes("/c"),
      );
    }
  });

  it("keeps secrets out of JSON and text", async () => {
    const { credentials } = await findCredentials(filesWith({ "/c": file }), ["/c"], "ghcr.io");
    assert.ok(!`${JSON.stringify(credentials)}`.includes("s3:cret"));
  });
});

describe("credentialPlaces()", () => {
  it("follows the environment and takes absolute paths only", () => {
    assert.deepEqual(credentialPlaces({ HOME: "/root", XDG_RUNTIME_DIR: "/run/user/0" }), [
      "/run/user/0/containers/auth.json",
      "/root/.config/containers/auth.json",
      "/root/.docker/config.json",
    ]);
    assert.deepEqual(credentialPlaces({ REGISTRY_AUTH_FILE: "auth.json", DOCKER_CONFIG: "/d" }), ["/d/config.json"]);
    assert.deepEqual(credentialPlaces({}), []);
  });
});
