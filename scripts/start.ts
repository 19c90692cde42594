/** `npm start`: builds the executable of this machine and runs the rehearsal with it. Words after `--` go to `rehearse`. */
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const target = process.arch === "arm64" ? "arm64" : "x64";
const executable = join(root, "dist", target === "arm64" ? "alga-appliance-arm64" : "alga-appliance");

const build = spawnSync(process.execPath, ["run", "build.ts", "--target", target], {
  cwd: root,
  stdio: ["ignore", 2, 2],
});
if (build.status !== 0) process.exit(build.status ?? 1);

// In a group of its own: Ctrl-C reaches npm, this script and the rehearsal otherwise, and a second signal ends it at once.
const child = spawn(executable, ["rehearse", ...process.argv.slice(2)], {
  stdio: ["ignore", "inherit", "inherit"],
  detached: true,
});
let isTold = false;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    if (!isTold) child.kill("SIGTERM");
    isTold = true;
  });
}
child.on("exit", (code) => process.exit(code ?? 1));
