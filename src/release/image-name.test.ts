import assert from "node:assert/strict";
import { test } from "node:test";
import { apiHost, imageText, isBaked, isNormalImage, readImageName, spellingsOf } from "./image-name.ts";

const SHA = `sha256:${"a".repeat(64)}`;
const NORMAL: readonly (readonly [written: string, normal: string])[] = [
  ["postgres", "docker.io/library/postgres:latest"],
  ["postgres:16", "docker.io/library/postgres:16"],
  ["ankane/pgvector:v0.5.1", "docker.io/ankane/pgvector:v0.5.1"],
  ["docker.io/redis:8.2", "docker.io/library/redis:8.2"],
  ["index.docker.io/library/redis:8.2", "docker.io/library/redis:8.2"],
  ["registry-1.docker.io/a/b:1", "docker.io/a/b:1"],
  ["quay.example:5000/a/b:1", "quay.example:5000/a/b:1"],
  ["localhost/a:1", "localhost/a:1"],
  [`ghcr.io/a/b@${SHA}`, `ghcr.io/a/b@${SHA}`],
  [`ghcr.io/a/b:1@${SHA}`, "ghcr.io/a/b:1"],
];

for (const [written, normal] of NORMAL) {
  test(`"${written}" is ${normal}`, () => {
    assert.equal(imageText(readImageName(written)), normal);
    assert.ok(isNormalImage(normal));
  });
}

for (const text of ["", "a b", "UPPER/case:1", "a:b:c", "-Dfoo", "[::1]:5000/a:1", "ghcr.io/a@sha256:12"]) {
  test(`"${text}" is no image`, () => {
    assert.throws(() => readImageName(text), /^ApplianceError: Cannot /);
    assert.equal(isNormalImage(text), false);
  });
}

test("what charts may write for an image of Docker Hub is the same image", () => {
  for (const name of ["docker.io/library/postgres", "docker.io/ankane/pgvector", "ghcr.io/a/b"]) {
    const spellings = spellingsOf(name);
    assert.ok(spellings.includes(name));
    for (const spelling of spellings) assert.equal(readImageName(`${spelling}:1`).name, name, spelling);
  }
  assert.ok(spellingsOf("docker.io/library/postgres").includes("postgres"));
  assert.ok(!spellingsOf("docker.io/ankane/pgvector").includes("pgvector"));
  assert.deepEqual(spellingsOf("ghcr.io/a/b"), ["ghcr.io/a/b"]);
});

test("an image of localhost is baked, one of a port of it is not", () => {
  assert.deepEqual(
    ["localhost/a:1", "localhost:5000/a:1", "a:1"].map((text) => isBaked(readImageName(text))),
    [true, false, false],
  );
});

test("Docker Hub answers at another host", () => {
  assert.deepEqual(["docker.io", "ghcr.io"].map(apiHost), ["registry-1.docker.io", "ghcr.io"]);
});
