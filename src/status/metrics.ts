/**
 * The status as Prometheus text.
 *
 * Names have one prefix, base units and no unit suffix on states; a state is one series per value that is 0 or 1, so that
 * an alert needs no knowledge of an order.
 *
 * @see Prometheus documentation, "Exposition formats", text format 0.0.4; "Metric and label naming"
 */
import { parseInstant } from "../core/time.ts";
import { operationStateSchema } from "../operation/model.ts";
import { type ApplianceStatus, checkStateSchema, phaseSchema, stateSchema, TIERS } from "./model.ts";

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** Writes the whole exposition, ending with a line feed. */
export function writeMetrics(status: ApplianceStatus): string {
  return families(status)
    .filter((family) => family.samples.length > 0)
    .map(writeFamily)
    .join("");
}

function families(status: ApplianceStatus): readonly Family[] {
  return [
    {
      name: "alga_appliance_info",
      help: "Version of the control plane and of the installed release.",
      samples: [{ labels: { version: status.appliance.version, release: status.release?.version ?? "" }, value: 1 }],
    },
    {
      name: "alga_appliance_phase",
      help: "1 for the phase the appliance is in.",
      samples: oneHot("phase", phaseSchema.options, status.phase),
    },
    {
      name: "alga_appliance_tier_state",
      help: "1 for the state of each readiness tier.",
      samples: TIERS.flatMap((tier) => oneHot("state", stateSchema.options, status.tiers[tier].state, { tier })),
    },
    {
      name: "alga_appliance_check_state",
      help: "1 for the state of each check.",
      // Without its rung, which may be another one tomorrow: that would be another series.
      samples: status.checks.flatMap(({ code, state }) => oneHot("state", checkStateSchema.options, state, { code })),
    },
    {
      name: "alga_appliance_component_ready",
      help: "1 when a component of the release is ready.",
      samples: status.components.map(({ name, tier, state }) => ({
        labels: { component: name, tier },
        value: state === "ready" ? 1 : 0,
      })),
    },
    {
      name: "alga_appliance_observed_timestamp_seconds",
      help: "When the status was folded last.",
      samples: [{ labels: {}, value: (parseInstant(status.observedAt) ?? 0) / 1000 }],
    },
    ...hostFamilies(status),
    ...operationFamilies(status),
  ];
}

function hostFamilies({ host }: ApplianceStatus): readonly Family[] {
  if (host === undefined) return [];
  const { disks, memory, clock } = host;
  const one = (value: number | undefined): readonly Sample[] => (value === undefined ? [] : [{ labels: {}, value }]);
  return [
    {
      name: "alga_appliance_disk_free_bytes",
      help: "Room on the file systems of the appliance.",
      samples: disks.map(({ path, freeBytes }) => ({ labels: { path }, value: freeBytes })),
    },
    {
      name: "alga_appliance_disk_size_bytes",
      help: "Size of the file systems of the appliance.",
      samples: disks.map(({ path, totalBytes }) => ({ labels: { path }, value: totalBytes })),
    },
    {
      name: "alga_appliance_memory_available_bytes",
      help: "Memory that processes can still get.",
      samples: one(memory?.availableBytes),
    },
    {
      name: "alga_appliance_memory_size_bytes",
      help: "Memory of the box.",
      samples: one(memory?.totalBytes),
    },
    {
      name: "alga_appliance_clock_skew_seconds",
      help: "How far the clock is ahead of the registry's.",
      samples: one(clock === null ? undefined : clock.skewMs / 1000),
    },
  ];
}

function operationFamilies({ operation }: ApplianceStatus): readonly Family[] {
  if (operation === null) return [];
  const { kind, state } = operation;
  const startedMs = parseInstant(operation.startedAt);
  return [
    {
      name: "alga_appliance_operation_state",
      help: "1 for the state of the newest operation.",
      samples: oneHot("state", operationStateSchema.options, state, { kind }),
    },
    {
      name: "alga_appliance_operation_steps_done",
      help: "Steps of the newest operation that are done.",
      samples: [{ labels: { kind }, value: operation.progress.done }],
    },
    {
      name: "alga_appliance_operation_steps",
      help: "Steps of the newest operation in all.",
      samples: [{ labels: { kind }, value: operation.progress.total }],
    },
    {
      name: "alga_appliance_operation_started_timestamp_seconds",
      help: "When the newest operation was started.",
      samples: startedMs === undefined ? [] : [{ labels: { kind }, value: startedMs / 1000 }],
    },
  ];
}

function oneHot(
  label: string,
  values: readonly string[],
  is: string,
  more: Readonly<Record<string, string>> = {},
): readonly Sample[] {
  return values.map((value) => ({ labels: { ...more, [label]: value }, value: value === is ? 1 : 0 }));
}

function writeFamily({ name, help, samples }: Family): string {
  const lines = samples.map(({ labels, value }) => `${name}${writeLabels(labels)} ${value}`);
  return `${[`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines].join("\n")}\n`;
}

function writeLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeValue(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}
