/**
 * `doctor`: what this machine lacks for a role, and where every setting comes from.
 *
 * Each finding has a cause and a next step; nothing is changed. Secrets are never shown, only that they are set.
 */
import { EXIT, type ExitCode } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import { redactText } from "../core/redact.ts";
import type { Command, CommandContext } from "./command.ts";

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly found: string;
  /** Next step; empty when all is well. */
  readonly next: string;
}

const MIN_MEMORY_BYTES = 8e9;
const MIN_DISK_BYTES = 60e9;
const MIN_CPUS = 2;

export const commands: readonly Command[] = [
  {
    path: ["doctor"],
    bearsBadSettings: true,
    summary: "Say what this machine lacks, and where settings come from",
    flags: [
      { name: "settings", type: "boolean", summary: "Print every setting with its origin" },
      {
        name: "role",
        type: "string",
        value: "<role>",
        choices: ["host", "operator", "publisher"],
        fallback: "host",
        summary: "What this machine is to be",
      },
      {
        name: "registry",
        type: "string",
        value: "<host[:port]>",
        summary: "Registry to look for",
        fallback: "ghcr.io",
      },
    ],
    examples: [
      { command: "alga-appliance doctor --role host", about: "Before an installation" },
      { command: "alga-appliance doctor --settings", about: "Where does a value come from" },
    ],
    run: (context) => (context.flags.settings === true ? printSettings(context) : examine(context)),
  },
];

async function printSettings({ settings, settingsProblem, out }: CommandContext): Promise<ExitCode> {
  if (settingsProblem !== undefined) out.notice(`${settingsProblem.message}: what stands without it is shown`);
  const rows = settings.all.map((one) => ({
    key: one.key,
    value: one.secret && one.value !== undefined ? "[secret]" : redactText(one.value ?? "") || null,
    origin: one.origin,
  }));
  out.result(rows, () =>
    rows.map((row) => `${row.key.padEnd(22)} ${String(row.value ?? "-").padEnd(28)} ${row.origin}`).join("\n"),
  );
  return settingsProblem === undefined ? EXIT.done : EXIT.notReady;
}

async function examine(context: CommandContext): Promise<ExitCode> {
  const role = context.flags.role ?? "host";
  const findings = [
    ...settingsFindings(context),
    ...(role === "host" ? await hostFindings(context) : []),
    ...(await networkFindings(context)),
  ];
  const lacking = findings.filter((finding) => !finding.ok);
  out(context, { role: String(role), findings });
  return lacking.length === 0 ? EXIT.done : EXIT.notReady;
}

/** Nothing where the settings can be used: a machine without a file lacks none. */
function settingsFindings({ settingsProblem }: CommandContext): readonly Finding[] {
  if (settingsProblem === undefined) return [];
  const next = "Mend it: doctor --settings lists every setting; on a box: alga-appliance recover";
  return [finding("settings file", false, { found: settingsProblem.message, next })];
}

async function hostFindings({ deps }: CommandContext): Promise<Finding[]> {
  const memory = await deps.machine.memory();
  const disk = await deps.files.space("/var/lib");
  const cpus = deps.machine.cpuCount();
  return [
    finding("memory", memory.totalBytes >= MIN_MEMORY_BYTES, {
      found: humanBytes(memory.totalBytes),
      next: `Give the machine at least ${humanBytes(MIN_MEMORY_BYTES)}`,
    }),
    finding("disk", disk.freeBytes >= MIN_DISK_BYTES, {
      found: `${humanBytes(disk.freeBytes)} free under /var/lib`,
      next: `Free at least ${humanBytes(MIN_DISK_BYTES)}, or use a larger disk`,
    }),
    finding("processors", cpus >= MIN_CPUS, { found: String(cpus), next: `Give the machine at least ${MIN_CPUS}` }),
  ];
}

async function networkFindings({ deps, settings }: CommandContext): Promise<Finding[]> {
  const servers = await deps.network.nameServers();
  const host = (settings.get("registry.host") ?? "").replace(/:\d+$/, "");
  const addresses = await deps.network.resolve(host).catch(() => []);
  return [
    finding("name servers", servers.length > 0, {
      found: servers.join(", ") || "none",
      next: "Enter a DNS server in the network settings",
    }),
    finding("registry name", addresses.length > 0, {
      found: addresses.length > 0 ? `${host} is ${addresses[0]}` : `${host} has no address`,
      next: "Look whether the DNS server answers and knows this name",
    }),
  ];
}

function finding(check: string, ok: boolean, more: { readonly found: string; readonly next: string }): Finding {
  return { check, ok, found: more.found, next: ok ? "" : more.next };
}

function out(context: CommandContext, report: { readonly role: string; readonly findings: readonly Finding[] }): void {
  context.out.result(report, () =>
    report.findings
      .map(
        (one) =>
          `${one.ok ? "ok  " : "LACK"} ${one.check.padEnd(14)} ${one.found}${one.next === "" ? "" : `\n     Next: ${one.next}`}`,
      )
      .join("\n"),
  );
}
