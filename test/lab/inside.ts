// Commands that a person types on the box, by a shell of its own.

import assert from "node:assert/strict";
import { inBox } from "../../scripts/lab/box.ts";
import type { RunResult } from "../../scripts/lab/shell.ts";

const LONGEST_MS = 180_000;
const EXECUTABLE = "/usr/local/bin/alga-appliance";

/** Types a line to its end and answers what it printed. @throws {Error} with what it said when it failed */
export function typed(line: string, timeoutMs = LONGEST_MS): string {
  const { code, stdout, stderr } = inBox(["sh", "-c", line], { timeoutMs });
  assert.equal(code, 0, `"${line}" ended with ${code}: ${stderr}${stdout}`.slice(0, 2_000));
  return stdout;
}

/** Runs the appliance's executable to its end, however it ends; `text` is all that it printed. */
export function appliance(...words: readonly string[]): RunResult & { readonly text: string } {
  const result = inBox([EXECUTABLE, ...words], { timeoutMs: LONGEST_MS });
  return { ...result, text: `${result.stdout}${result.stderr}` };
}

/** Begins a command of the appliance's executable as a process that is watched, stopped and killed by its name. */
export function begins(name: string, ...words: readonly string[]): void {
  typed(
    `systemctl reset-failed ${name} 2> /dev/null; systemd-run --quiet --unit=${name} ${EXECUTABLE} ${words.join(" ")}`,
  );
}

/** Sends a signal to what `begins` began. */
export function signals(name: string, signal: "KILL" | "STOP" | "CONT"): void {
  typed(`systemctl kill --kill-whom=main --signal=${signal} ${name}`);
}

/** How what `begins` began has ended: "success", or "exit-code 1", "signal 9"; undefined while it runs. */
export function endOf(name: string): string | undefined {
  const show = typed(`systemctl show -p SubState -p Result -p ExecMainStatus ${name}`);
  const { SubState, Result, ExecMainStatus } = Object.fromEntries(
    show
      .trim()
      .split("\n")
      .map((line) => line.split("=", 2)),
  );
  if (SubState !== "dead" && SubState !== "failed") return undefined;
  return Result === "success" ? "success" : `${Result} ${ExecMainStatus}`;
}

/** All that it has said. */
export function saidBy(name: string): string {
  return typed(`journalctl --no-pager -o cat -u ${name}`);
}
