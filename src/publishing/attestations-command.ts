/** `release attestations`: what is said about a release and its control-plane image, and the documents themselves. */
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText } from "../cli/flag-values.ts";
import { shortDigest } from "../core/digest.ts";
import { ApplianceError, EXIT } from "../core/errors.ts";
import { wantedArtifacts } from "../release/artifacts.ts";
import { openRegistryOf, REGISTRY_FLAGS, RELEASE_FLAGS, releaseRefOf } from "../release/registry-flags.ts";
import { findRelease } from "../release/resolve.ts";
import { TRUSTED_KEY_FLAG, trustedKeysOf } from "../trust/key-flags.ts";
import type { PublicKey } from "../trust/keys.ts";
import type { AttestationKind } from "./attestations.ts";
import {
  type AttestedSubject,
  coversBill,
  type FoundAttestation,
  readAttestations,
  verifyProvenance,
} from "./attestations-read.ts";
import { namedRelease, RELEASE_ARGUMENT } from "./named-release.ts";

const SUBJECTS = { release: "release", "control-plane": "control-plane image" } as const;

export const commands: readonly Command[] = [
  {
    path: ["release", "attestations"],
    summary: "Show the bills of materials and the provenance of a release",
    description:
      "Lists what hangs on the release and on its control-plane image in the registry: bills of materials (SPDX 2.3) and " +
      "provenance (SLSA v1). With --show the document itself is printed as JSON, for tools that read it. A document that " +
      "speaks of something else is refused. With --trusted-key the provenance must be signed by such a key and name the bill " +
      "of materials; without it, who signed is only what the document says.",
    flags: [
      {
        name: "show",
        type: "string",
        value: "<kind>",
        choices: ["sbom", "provenance"],
        summary: "Print this document",
      },
      {
        name: "of",
        type: "string",
        value: "<subject>",
        choices: ["release", "control-plane"],
        summary: "With --show: whose document",
        fallback: "control-plane",
      },
      TRUSTED_KEY_FLAG,
      ...RELEASE_FLAGS,
      ...REGISTRY_FLAGS,
    ],
    positionals: [{ name: "release", summary: RELEASE_ARGUMENT, optional: true }],
    examples: [
      { command: "alga-appliance release attestations stable", about: "What is said, and who signed it" },
      {
        command: "alga-appliance release attestations 1.0.3 --show sbom > control-plane.spdx.json",
        about: "What the control plane is made of",
      },
      {
        command: "alga-appliance release attestations stable --show provenance --of release",
        about: "From what the release was built, and by whom",
      },
    ],
    run: async (context) => {
      const keys = await trustedKeysOf(context);
      const { subjects, read } = await attestedOf(context);
      const kind = flagText(context.flags, "show") as AttestationKind | undefined;
      if (kind === undefined) {
        const all = await everything(subjects, read, keys);
        context.out.result(all.map(rowOf), () => listText(all, subjects));
        return EXIT.done;
      }
      const name = SUBJECTS[(flagText(context.flags, "of") ?? "control-plane") as keyof typeof SUBJECTS];
      const subject = subjects.find((one) => one.name === name);
      const found = subject === undefined ? [] : await everything([subject], read, keys);
      const first = found.find((one) => one.kind === kind);
      if (first === undefined) throw nothing(kind, name);
      context.out.result(first.document, () => JSON.stringify(first.document, null, 2));
      return EXIT.done;
    },
  },
];

type Read = (subject: AttestedSubject, kind: AttestationKind) => Promise<readonly FoundAttestation[]>;

async function attestedOf(
  context: CommandContext,
): Promise<{ readonly subjects: readonly AttestedSubject[]; readonly read: Read }> {
  const { args, signal, build } = context;
  const named = args[0] === undefined ? undefined : namedRelease(context, args[0]);
  const { client, access, repository } = await openRegistryOf(context, named?.reference);
  const options = { base: access.place.base, repository, running: build.version, signal };
  const release = await findRelease(client, named?.ref ?? releaseRefOf(context), options);
  const wanted = wantedArtifacts(release.manifest, access.place).find((one) => one.name === SUBJECTS["control-plane"]);
  const inRegistry = wanted?.repository.slice(wanted.repository.indexOf("/") + 1) ?? "";
  const image =
    wanted === undefined
      ? undefined
      : { digest: wanted.digest ?? (await client.resolve(inRegistry, wanted.tag ?? "", { signal })).digest };
  return {
    subjects: [
      { name: SUBJECTS.release, repository: release.repository, digest: release.digest },
      ...(image === undefined ? [] : [{ name: SUBJECTS["control-plane"], repository: inRegistry, ...image }]),
    ],
    read: (subject, kind) => readAttestations(client, subject, { kind, signal }),
  };
}

/** A document, and the key that was found to have signed it; undefined when nothing was to be checked. */
type Judged = FoundAttestation & { readonly verifiedBy?: string };

/** Everything that is said about the subjects; with keys, nothing that they do not vouch for. */
async function everything(
  subjects: readonly AttestedSubject[],
  read: Read,
  keys: readonly PublicKey[],
): Promise<readonly Judged[]> {
  const found: Judged[] = [];
  for (const subject of subjects) {
    const [bills, provenances] = [await read(subject, "sbom"), await read(subject, "provenance")];
    if (keys.length === 0) {
      found.push(...bills, ...provenances);
      continue;
    }
    const verified = provenances.map((one) => ({ ...one, verifiedBy: verifyProvenance(one, keys) }));
    found.push(...bills.map((bill) => ({ ...bill, verifiedBy: signerOf(bill, verified) })), ...verified);
  }
  return found;
}

function signerOf(
  bill: FoundAttestation,
  verified: readonly (FoundAttestation & { readonly verifiedBy: string })[],
): string {
  const provenance = verified.find((one) => coversBill(one, bill));
  if (provenance !== undefined) return provenance.verifiedBy;
  throw new ApplianceError(
    "trust/unsigned",
    `Cannot trust sbom "${bill.digest}": no signed provenance names it, one that does is wanted`,
    { hint: "Somebody may have pushed it beside the release; tell the publisher" },
  );
}

/** One entry of the document of `-o json`. */
function rowOf({ kind, digest, subject, signedBy, verifiedBy }: Judged): Readonly<Record<string, unknown>> {
  return {
    kind,
    digest,
    subject: subject.name,
    subjectDigest: subject.digest,
    signedBy,
    verifiedBy: verifiedBy ?? "none",
  };
}

function listText(all: readonly Judged[], subjects: readonly AttestedSubject[]): string {
  return subjects
    .flatMap((subject) => {
      const of = all.filter((one) => one.subject === subject);
      const lines = of.map((one) => `  ${one.kind.padEnd(10)}  ${shortDigest(one.digest)}  ${signatureText(one)}`);
      return [`${subject.name}  ${subject.digest}`, ...(of.length === 0 ? ["  nothing is said about it"] : lines)];
    })
    .join("\n");
}

function signatureText({ signedBy, verifiedBy }: Judged): string {
  if (verifiedBy !== undefined) return `verified by the key ${verifiedBy.slice(0, 12)}`;
  if (signedBy.length === 0) return "not signed";
  return `names the key ${signedBy.map((id) => id.slice(0, 12)).join(", ")}, not checked`;
}

function nothing(kind: AttestationKind, name: string): ApplianceError {
  return new ApplianceError(
    "release/no-attestation",
    `Cannot show ${kind} of the ${name}: the registry lists none, one that its build attached is wanted`,
    { hint: "alga-appliance release attestations lists what there is" },
  );
}
