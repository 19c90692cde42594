/** `host certificate`: what the page over TLS shows, and the operator's own certificate in the place of the one that the box made. */
import { dirname } from "node:path/posix";
import type { Command, CommandContext } from "../cli/command.ts";
import { typedPath } from "../cli/flag-values.ts";
import {
  type BoxCertificate,
  certificateFacts,
  certificateFiles,
  parseTlsPair,
  readBoxCertificate,
  type TlsPair,
} from "../core/certificate.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { toInstant } from "../core/time.ts";
import { giveToken } from "./host-files.ts";
import { assertRootOnBox } from "./host-run.ts";

const MAX_PEM_BYTES = 128 * 1024;

export const commands: readonly Command[] = [
  {
    path: ["host", "certificate"],
    summary: "Show the certificate of the page, to compare with what a browser shows",
    description:
      "The box makes a certificate at its first start; a browser warns of it, because nobody vouches for it. Compare the SHA-256 that " +
      "the browser shows with this one before you type a password.",
    flags: [],
    examples: [{ command: "alga-appliance host certificate", about: "On the box" }],
    run: show,
  },
  {
    path: ["host", "certificate", "use"],
    summary: "Show an own certificate instead of the one that the box made",
    description:
      "Takes a PEM certificate with its chain, in any order, and its unencrypted PEM key. Both are looked at before anything " +
      "changes: the key must belong to one of them, and that one must not have ended. The page shows it within seconds; nothing is started again. Safe to run again, with the next certificate too.",
    flags: [
      { name: "certificate", type: "string", value: "<file>", summary: "PEM file with the certificate and its chain" },
      {
        name: "key",
        type: "string",
        value: "<file>",
        summary: "PEM file with its key",
        fallback: "the file of --certificate",
      },
    ],
    examples: [
      {
        command: "alga-appliance host certificate use --certificate box.pem --key box.key",
        about: "One of your own authority",
      },
    ],
    run: use,
  },
  {
    path: ["host", "certificate", "reset"],
    summary: "Show the certificate that the box made again",
    description: "Takes the own certificate and its key away from the box. Safe to run again.",
    flags: [],
    examples: [{ command: "alga-appliance host certificate reset", about: "Back to the box's own" }],
    run: reset,
  },
];

async function show({ deps, settings, out }: CommandContext): Promise<ExitCode> {
  const found = await readBoxCertificate(deps.files, statePaths(settings.get("root") ?? "/"));
  if (found === undefined) {
    throw new ApplianceError(
      "certificate/missing",
      "Cannot show the certificate: the box has none yet, the control plane makes it at its first start",
      { hint: "Look how the start goes: alga-appliance console banner" },
    );
  }
  tell(out, found, deps.clock.now());
  return EXIT.done;
}

async function use(context: CommandContext): Promise<ExitCode> {
  const { deps, settings, flags, env, signal, out } = context;
  await assertRootOnBox(context, "use another certificate");
  const paths = statePaths(settings.get("root") ?? "/");
  const asked = flags.certificate;
  if (typeof asked !== "string") {
    throw new ApplianceError("cli/usage", "Cannot use a certificate: --certificate is missing, a PEM file is wanted");
  }
  const from = typedPath(asked, env);
  const keyFrom = typeof flags.key === "string" ? typedPath(flags.key, env) : from;
  const texts = [await textOf(deps.files, from), ...(keyFrom === from ? [] : [await textOf(deps.files, keyFrom)])];
  const pair = parseTlsPair(texts.join("\n"), from);
  assertNotOver(pair, { from, nowMs: deps.clock.now() });
  const { own } = certificateFiles(paths);
  await deps.files.makeDirectory(paths.state);
  await assertFolder(deps.files, paths.tls);
  await deps.files.makeDirectory(paths.tls, { mode: 0o700 });
  await deps.files.write(own, `${pair.cert}${pair.key}`, { mode: 0o600 });
  // The control plane reads it as its own user.
  for (const path of [dirname(own), own]) await giveToken({ deps, signal }, path);
  tell(out, { origin: "own", pair, ...certificateFacts(pair.cert) }, deps.clock.now());
  return EXIT.done;
}

/** One that begins later is taken: the clock of a new box may be behind. */
function assertNotOver({ cert }: TlsPair, { from, nowMs }: { readonly from: string; readonly nowMs: number }): void {
  const { notAfterMs } = certificateFacts(cert);
  if (notAfterMs > nowMs) return;
  throw new ApplianceError(
    "certificate/invalid",
    `Cannot use the certificate of "${from}": it ended on ${toInstant(notAfterMs).slice(0, 10)}, one that is valid now is wanted`,
    { hint: "If the certificate is right, the clock of the box is not: timedatectl" },
  );
}

async function reset(context: CommandContext): Promise<ExitCode> {
  const { deps, settings, out } = context;
  await assertRootOnBox(context, "take the own certificate away");
  const paths = statePaths(settings.get("root") ?? "/");
  await deps.files.remove(certificateFiles(paths).own);
  const found = await readBoxCertificate(deps.files, paths);
  if (found === undefined) {
    out.result({ origin: null }, () => "The control plane makes a certificate at its next start");
  } else tell(out, found, deps.clock.now());
  return EXIT.done;
}

/** The state folder is the control plane's: root must not write where a link of it leads. */
async function assertFolder(files: CommandContext["deps"]["files"], path: string): Promise<void> {
  const found = await files.stat(path, { links: "show" });
  if (found === undefined || found.kind === "directory") return;
  throw new ApplianceError("file/unwritable", `Cannot write into "${path}": it is no folder, a folder is wanted`, {
    hint: `Move it away: mv ${path} ${path}.old`,
  });
}

async function textOf(files: CommandContext["deps"]["files"], path: string): Promise<string> {
  const bytes = await files.read(path, { maxBytes: MAX_PEM_BYTES });
  if (bytes !== undefined) return new TextDecoder().decode(bytes);
  throw new ApplianceError("cli/usage", `Cannot read "${path}": there is no such file, a PEM file is wanted`);
}

function tell(out: CommandContext["out"], found: BoxCertificate, nowMs: number): void {
  const { origin, fingerprint, short, names, notBeforeMs, notAfterMs } = found;
  const shown = {
    origin,
    fingerprint,
    short,
    names,
    notBefore: toInstant(notBeforeMs),
    notAfter: toInstant(notAfterMs),
  };
  out.result(shown, () =>
    [
      `Certificate  ${origin === "own" ? "your own" : "made by the box"}`,
      `SHA-256      ${fingerprint.slice(0, 48)}`,
      `             ${fingerprint.slice(48)}`,
      `Names        ${names.join(", ")}`,
      `Valid        ${shown.notBefore.slice(0, 10)} to ${shown.notAfter.slice(0, 10)}${notAfterMs < nowMs ? ", expired" : notBeforeMs > nowMs ? ", not valid yet" : ""}`,
    ].join("\n"),
  );
}
