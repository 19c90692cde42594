// What explains a failed case: the status document, the operation, the cluster's objects and events, the last of the logs.
// Printed where it failed, so that a run on another machine explains itself.

import { inBox, kubectl } from "../../scripts/lab/box.ts";
import { daemonLog } from "../../scripts/lab/daemon.ts";
import { latestAppliance } from "./appliance.ts";

const CONTROL_PLANE = ["-n", "alga-appliance-control-plane", "logs", "deployment/appliance-control-plane", "--tail=25"];
const LINES = 15;
const LINE_LENGTH = 300;

/** Never throws: what cannot be had says why. */
export async function diagnosis(): Promise<string> {
  const parts: [string, string][] = [
    ["status", await answerOf("/api/status")],
    ["operations", await answerOf("/api/operations")],
    ["load", inBox(["cat", "/proc/loadavg"]).stdout],
    ["pods", said(["get", "pods", "-A", "-o", "wide"])],
    ["flux", said(["get", "ocirepositories,kustomizations,helmreleases,helmcharts", "-A"])],
    ["last events", lastLines(said(["get", "events", "-A", "--sort-by=.metadata.creationTimestamp"]))],
    ["control plane", said(CONTROL_PLANE)],
    ["control plane before", said([...CONTROL_PLANE, "--previous"])],
    ["failed units", inBox(["systemctl", "--failed", "--no-legend"]).stdout],
    ["box", lastLines(daemonLog("box"))],
    ["registry", lastLines(daemonLog("registry"))],
  ];
  return parts.map(([name, text]) => `-- ${name}\n${shortLines(text)}`).join("\n");
}

async function answerOf(path: string): Promise<string> {
  try {
    const answer = await latestAppliance()?.call("GET", path);
    return JSON.stringify(answer?.body ?? null, null, 1).slice(0, 8_000);
  } catch (problem) {
    return `no answer: ${problem}`;
  }
}

function said(argv: readonly string[]): string {
  const { stdout, stderr } = kubectl(argv, { timeoutMs: 30_000 });
  return stdout === "" ? stderr : stdout;
}

function lastLines(text: string): string {
  return text.trimEnd().split("\n").slice(-LINES).join("\n");
}

function shortLines(text: string): string {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.slice(0, LINE_LENGTH))
    .join("\n");
}
