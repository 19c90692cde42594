// What processes of Node did on the host of the appliance before this one: `token`, `banner`, `resolve`, `agent`. As short as it goes,
// so that what is measured is the least that such a process takes.
import { randomInt } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { networkInterfaces } from "node:os";
import { dirname } from "node:path";

const TOKEN = "/var/lib/alga-appliance/setup-token";
const SOCKET = "/run/alga-appliance/host-agent.sock";
const RESOLVE_MS = 8_000;

const verbs = {
  token() {
    mkdirSync(dirname(TOKEN), { recursive: true, mode: 0o750 });
    const group = () => String(randomInt(10_000)).padStart(4, "0");
    if (!existsSync(TOKEN)) writeFileSync(TOKEN, `${Array.from({ length: 5 }, group).join("-")}\n`);
  },
  banner() {
    const addresses = Object.values(networkInterfaces()).flat();
    const address = addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "localhost";
    const banner = ` Setup: http://${address}:8080/\n\n Setup token: ${readFileSync(TOKEN, "utf8")}`;
    for (const file of ["/etc/issue", "/etc/motd"]) appendFileSync(file, banner);
    writeFileSync("/dev/tty1", `\u001b[H\u001b[J${banner}\n`);
    process.stdout.write(banner);
  },
  resolve: () => fetch("https://ghcr.io/v2/", { signal: AbortSignal.timeout(RESOLVE_MS) }),
  agent() {
    mkdirSync(dirname(SOCKET), { recursive: true });
    rmSync(SOCKET, { force: true });
    createServer((_request, answer) => answer.end('{"ok":true,"service":"alga-host-agent"}')).listen(SOCKET);
  },
};

await verbs[process.argv[2]]();
