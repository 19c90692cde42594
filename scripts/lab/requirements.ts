// What this machine must have for the lab. A leg that cannot run is named with its reason, never counted as passed.

import { existsSync } from "node:fs";
import { hasProgram, tryRun } from "./shell.ts";

/** Reasons why the lab cannot run here; none when it can. */
export function missingRequirements(): string[] {
  const missing: string[] = [];
  if (process.platform !== "linux") return [`it runs on Linux only, this is ${process.platform}`];
  if (process.getuid?.() !== 0) missing.push("it needs root");
  if (!existsSync("/etc/debian_version") || !hasProgram("apt-get")) missing.push("it needs Debian and apt-get");
  if (!hasProgram("go")) missing.push("it needs Go 1.26 or later on the search path");
  else if (!goIsNewEnough())
    missing.push(`it needs Go 1.26 or later, this is ${tryRun(["go", "version"]).stdout.trim()}`);
  if (!existsSync("/sys/fs/cgroup/memory")) missing.push("it needs cgroup v1 hierarchies below /sys/fs/cgroup");
  if (missing.length === 0 && tryRun(["unshare", "-m", "true"]).code !== 0)
    missing.push("it may not make mount namespaces here");
  return missing;
}

function goIsNewEnough(): boolean {
  const [, major, minor] = /go(\d+)\.(\d+)/.exec(tryRun(["go", "version"]).stdout) ?? [];
  return Number(major) > 1 || Number(minor) >= 26;
}
