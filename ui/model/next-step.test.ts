import assert from "node:assert/strict";
import { test } from "node:test";
import { nextStep } from "./next-step.ts";

test("nextStep() keeps a command apart, without a period that would be copied with it", () => {
  const command = "kubectl -n alga-system delete secret -l 'owner=helm,name=temporal,status in (pending-install)'";
  assert.deepEqual(nextStep(`Remove the pending release of Helm, then Flux installs it anew: ${command}`), {
    words: "Remove the pending release of Helm, then Flux installs it anew:",
    command,
  });
  assert.equal(nextStep("Set the clock of the box: timedatectl set-ntp true").command, "timedatectl set-ntp true");
});

test("nextStep() leaves sentences alone, also those that speak of a command", () => {
  for (const words of [
    "Free space or enlarge the disk: df -h shows what is used",
    "Choose another release, and tell the publisher",
    "Look at the machine: is it on, has it network, does systemctl status k3s say running",
  ]) {
    assert.deepEqual(nextStep(words), { words: `${words}.`, command: undefined });
  }
  assert.deepEqual(nextStep(""), { words: "", command: undefined });
});
