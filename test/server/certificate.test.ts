/** The certificate of the page over its life: made, kept, renewed, replaced; and what is never shown. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { certificateFacts, certificateFiles, parseTlsPair, readBoxCertificate } from "../../src/core/certificate.ts";
import { ApplianceError, isApplianceError } from "../../src/core/errors.ts";
import { createLog } from "../../src/core/log.ts";
import { statePaths } from "../../src/core/paths.ts";
import { type CertificateDeps, ensureCertificate, ownCertificateProblem } from "../../src/server/certificate.ts";
import { createFakeBox } from "../crash/fake-box.ts";
import { createMemoryFiles } from "../crash/memory-files.ts";
import { makeCertificate } from "../support/tls.ts";

const PATHS = statePaths("/");
const FILES = certificateFiles(PATHS);
const DAY_MS = 86_400_000;

interface World {
  readonly deps: CertificateDeps;
  readonly files: ReturnType<typeof createMemoryFiles>;
  addresses: readonly string[];
  host: string;
  setWall(ms: number): void;
}

function world(): World {
  const box = createFakeBox();
  const files = createMemoryFiles(() => box.clock.now());
  const made: World = {
    files,
    addresses: ["192.0.2.7", "2001:db8::7"],
    host: "Box-7",
    setWall: box.setWall,
    deps: {
      files,
      clock: box.clock,
      random: { ...box.random, bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) },
      machine: { ...box.machineOf(box.spawn()), hostName: async () => made.host },
      network: {
        nameServers: async () => [],
        resolve: async () => [],
        addresses: async () => made.addresses,
        isListening: async () => false,
        certificate: () => Promise.reject(new Error("nobody asks")),
      },
      log: createLog({ now: box.clock.now, level: "debug", write: () => {} }),
    },
  };
  return made;
}

describe("ensureCertificate()", () => {
  it("makes one for the names and addresses of the box: P-256, for servers, no authority, its key for its user alone", async () => {
    const { deps, files } = world();
    const made = await ensureCertificate(deps, PATHS);
    const read = new X509Certificate(made.pair.cert);
    assert.equal(read.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
    assert.equal(read.ca, false);
    assert.equal(read.verify(read.publicKey), true);
    assert.deepEqual(read.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
    assert.deepEqual(made.names, ["box-7", "192.0.2.7", "2001:db8::7", "localhost", "127.0.0.1", "::1"]);
    assert.equal(read.checkHost("box-7"), "box-7");
    assert.equal(read.checkIP("2001:db8::7"), "2001:db8::7");
    assert.match(made.short, /^(?:[0-9A-F]{2}:){9}[0-9A-F]{2}$/);
    assert.ok(made.fingerprint.startsWith(`${made.short}:`));
    assert.equal((await files.stat(FILES.made))?.mode, 0o600);
  });

  it("keeps it over starts: a fingerprint that somebody compared stays", async () => {
    const { deps, files } = world();
    const first = await ensureCertificate(deps, PATHS);
    const again = await ensureCertificate(deps, PATHS);
    assert.equal(again.fingerprint, first.fingerprint);
    assert.equal((await readBoxCertificate(files, PATHS))?.fingerprint, first.fingerprint);
  });

  it("makes another 60 days before the end, and when the clock was wrong", async () => {
    const made = world();
    const now = made.deps.clock.now();
    const first = await ensureCertificate(made.deps, PATHS);
    assert.equal(first.notAfterMs - now, 730 * DAY_MS);
    made.setWall(now + 669 * DAY_MS);
    assert.equal((await ensureCertificate(made.deps, PATHS)).fingerprint, first.fingerprint);
    made.setWall(now + 671 * DAY_MS);
    const second = await ensureCertificate(made.deps, PATHS);
    assert.notEqual(second.fingerprint, first.fingerprint);
    made.setWall(Date.UTC(1970, 0, 2));
    const early = await ensureCertificate(made.deps, PATHS);
    assert.ok(early.notBeforeMs <= Date.UTC(1970, 0, 2) && Date.UTC(1970, 0, 2) < early.notAfterMs);
    made.setWall(now);
    const late = await ensureCertificate(made.deps, PATHS);
    assert.ok(late.notBeforeMs <= now && now < late.notAfterMs);
  });

  it("makes another for an address it lacks, keeps the old ones in it, and does not go back and forth with them", async () => {
    const made = world();
    made.addresses = ["192.0.2.7"];
    const first = await ensureCertificate(made.deps, PATHS);
    made.addresses = ["198.51.100.9"];
    const second = await ensureCertificate(made.deps, PATHS);
    assert.notEqual(second.fingerprint, first.fingerprint);
    assert.ok(second.names.includes("198.51.100.9") && second.names.includes("192.0.2.7"));
    made.addresses = ["192.0.2.7"];
    assert.equal((await ensureCertificate(made.deps, PATHS)).fingerprint, second.fingerprint);
  });

  it("stays bounded where a box has more addresses than fit, and does not make one at every look", async () => {
    const made = world();
    made.addresses = Array.from({ length: 60 }, (_one, at) => `10.0.0.${at + 1}`);
    const first = await ensureCertificate(made.deps, PATHS);
    assert.equal(first.names.length, 24);
    assert.equal((await ensureCertificate(made.deps, PATHS)).fingerprint, first.fingerprint);
  });

  it("takes a host name that no certificate can hold as none", async () => {
    const made = world();
    made.host = "box_with spaces";
    made.addresses = [];
    assert.deepEqual((await ensureCertificate(made.deps, PATHS)).names, ["localhost", "127.0.0.1", "::1"]);
  });

  it("makes another where the file is damaged or its key is of another certificate", async () => {
    const { deps, files } = world();
    const first = await ensureCertificate(deps, PATHS);
    for (const damage of [
      "",
      "-----BEGIN CERT",
      first.pair.cert,
      `${first.pair.cert}${makeCertificate({ commonName: "x" }).key}`,
    ]) {
      files.garble(FILES.made, damage);
      const again = await ensureCertificate(deps, PATHS);
      assert.notEqual(again.fingerprint, first.fingerprint);
      assert.equal((await readBoxCertificate(files, PATHS))?.fingerprint, again.fingerprint);
    }
  });

  it("shows the operator's own before its own, also an expired one, and its own again when that is damaged, and says why", async () => {
    const { deps, files } = world();
    const made = await ensureCertificate(deps, PATHS);
    const own = makeCertificate({
      ...{ commonName: "own", names: ["box.example"] },
      days: (deps.clock.now() - Date.now()) / DAY_MS - 1,
    });
    files.garble(FILES.own, `${own.cert}${own.key}`);
    const shown = await ensureCertificate(deps, PATHS);
    assert.equal(shown.origin, "own");
    assert.deepEqual(shown.names, ["box.example"]);
    assert.match((await ownCertificateProblem(deps, PATHS)) ?? "", /own\.pem ended on \d{4}-/);
    const short = makeCertificate({ commonName: "own", days: (deps.clock.now() - Date.now()) / DAY_MS + 20 });
    files.garble(FILES.own, `${short.cert}${short.key}`);
    assert.match((await ownCertificateProblem(deps, PATHS)) ?? "", /own\.pem ends on \d{4}-.*host certificate use/);
    const long = makeCertificate({ commonName: "own", days: (deps.clock.now() - Date.now()) / DAY_MS + 40 });
    files.garble(FILES.own, `${long.cert}${long.key}`);
    assert.equal(await ownCertificateProblem(deps, PATHS), undefined);
    files.garble(FILES.own, "no PEM");
    const back = await ensureCertificate(deps, PATHS);
    assert.deepEqual([back.origin, back.fingerprint], ["made", made.fingerprint]);
    assert.match((await ownCertificateProblem(deps, PATHS)) ?? "", /own\.pem.*no certificate/);
    await files.remove(FILES.own);
    assert.equal(await ownCertificateProblem(deps, PATHS), undefined);
  });

  it("shows none that could not be kept, because nobody could compare it", async () => {
    const { deps, files } = world();
    const full = new ApplianceError("file/disk-full", "Cannot write");
    const broken = { ...deps, files: { ...files, write: () => Promise.reject(full) } };
    await assert.rejects(ensureCertificate(broken, PATHS), (thrown) => isApplianceError(thrown, "file/disk-full"));
    assert.equal(await readBoxCertificate(files, PATHS), undefined);
  });
});

describe("parseTlsPair()", () => {
  const pair = makeCertificate({ commonName: "box", names: ["box.example", "192.0.2.7"] });
  it("takes the chain in any order, and puts the box's own first", () => {
    const authority = makeCertificate({ commonName: "authority" });
    for (const chain of [`${pair.cert}${authority.cert}`, `${authority.cert}${pair.cert}`]) {
      const parsed = parseTlsPair(`${pair.key}${chain}`, "file");
      assert.equal(certificateFacts(parsed.cert).fingerprint, new X509Certificate(pair.cert).fingerprint256);
      assert.equal(parsed.cert.match(/BEGIN/g)?.length, 2);
    }
  });
  it("says what is wrong", () => {
    const other = makeCertificate({ commonName: "other" });
    const cases: readonly [string, RegExp][] = [
      ["", /no certificate/],
      [pair.key, /no certificate/],
      [pair.cert, /no private key/],
      [`${pair.cert}-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----`, /encrypted/],
      [`${pair.cert}${other.key}`, /another certificate/],
      [`-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${pair.key}`, /cannot be read/],
    ];
    for (const [text, wanted] of cases) {
      assert.throws(
        () => parseTlsPair(text, "file"),
        (thrown) => isApplianceError(thrown, "certificate/invalid") && wanted.test(thrown.message),
      );
    }
  });
});
