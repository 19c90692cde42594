/** `release attestations`: what is said about a release and its control-plane image, and the documents themselves. */
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText } from "../cli/flag-values.ts";
import { shortDigest } from "../core/digest.ts";
import { ApplianceError, EXIT } from "../core/errors.ts";
import { wantedArtifacts } from "../release/artifacts.ts";
import { openRegistryOf, REGISTRY_FLAGS, RELEASE_FLAGS, releaseRefOf } from "../release/registry-flags.ts";
import { findRelease } from "../release/resolve.ts";
import type { AttestationKind } from "./attestations.ts";
import { type AttestedSubject, type FoundAttestation, readAttestations } from "./attestations-read.ts";
import { namedRelease, RELEASE_ARGUMENT } from "./named-release.ts";

const SUBJECTS = { release: "release", "control-plane": "control-plane image" } as const;

export const commands: readonly Command[] = [
  {
    path: ["release", "attestations"],
    summary: "Show the bills of materials and the provenance of a release",
    description:
      "Lists what hangs on the release and on its control-plane image in the registry: bills of materials (SPDX 2.3) and " +
      "provenance (SLSA v1). With --show the document itself is printed as JSON, for tools that read it. A document that " +
      "speaks of something else is refused.",
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
      const { subjects, read } = await attestedOf(context);
      const kind = flagText(context.flags, "show") as AttestationKind | undefined;
      if (kind === undefined) {
        const all = await everything(subjects, read);
        context.out.result(all.map(rowOf), () => listText(all, subjects));
        return EXIT.done;
      }
      const name = SUBJECTS[(flagText(context.flags, "of") ?? "control-plane") as keyof typeof SUBJECTS];
      const subject = subjects.find((one) => one.name === name);
      const [first] = subject === undefined ? [] : await read(subject, kind);
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

async function everything(subjects: readonly AttestedSubject[], read: Read): Promise<readonly FoundAttestation[]> {
  const found: FoundAttestation[] = [];
  for (const subject of subjects) {
    for (const kind of ["sbom", "provenance"] as const) found.push(...(await read(subject, kind)));
  }
  return found;
}

/** One entry of the document of `-o json`. */
function rowOf({ kind, digest, subject, signedBy }: FoundAttestation): Readonly<Record<string, unknown>> {
  return { kind, digest, subject: subject.name, subjectDigest: subject.digest, signedBy };
}

function listText(all: readonly FoundAttestation[], subjects: readonly AttestedSubject[]): string {
  return subjects
    .flatMap((subject) => {
      const of = all.filter((one) => one.subject === subject);
      const lines = of.map(({ kind, digest, signedBy }) => {
        const by = signedBy.length === 0 ? "not signed" : `names the key ${signedBy.join(", ")}`;
        return `  ${kind.padEnd(10)}  ${shortDigest(digest)}  ${by}`;
      });
      return [`${subject.name}  ${subject.digest}`, ...(of.length === 0 ? ["  nothing is said about it"] : lines)];
    })
    .join("\n");
}

function nothing(kind: AttestationKind, name: string): ApplianceError {
  return new ApplianceError(
    "release/no-attestation",
    `Cannot show ${kind} of the ${name}: the registry lists none, one that its build attached is wanted`,
    { hint: "alga-appliance release attestations lists what there is" },
  );
}
