/**
 * The real tools of the trade, which read what we write and write what we read: crane, cosign, helm, distribution 3, Prometheus'
 * linter and Rancher's reader of registries.yaml from their Go modules, skopeo, umoci, podman and docker-registry from Debian.
 *
 * `bun scripts/lab/tools.ts interop` puts them all in place. A test that lacks one is skipped, and says which.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { toolPath as builtPath } from "../../scripts/lab/tools.ts";
import { type DockerRegistry, type DockerRegistryOptions, startDockerRegistry } from "./docker-registry.ts";

const BUILT = ["helm", "crane", "cosign", "distribution", "promlint", "registries"] as const;
const PACKAGED = ["skopeo", "umoci", "podman", "docker-registry"] as const;

export type RealTool = (typeof BUILT)[number] | (typeof PACKAGED)[number];

/** Where a tool lies, or would lie. */
export function toolPath(name: RealTool): string {
  return BUILT.some((one) => one === name) ? builtPath(name) : `/usr/bin/${name}`;
}

/** Which of these tools is absent, as a reason to skip; undefined when all are there. */
export function toolsMissing(...names: readonly RealTool[]): string | undefined {
  const absent = names.filter((name) => !existsSync(toolPath(name)));
  return absent.length === 0 ? undefined : `${absent.join(", ")} not installed (bun scripts/lab/tools.ts interop)`;
}

/** A `describe` of tests that need these tools: without one of them it counts as skipped, with the reason printed. */
export function describeWithTools(names: readonly RealTool[], title: string, tests: () => void): void {
  const missing = toolsMissing(...names);
  if (missing === undefined) {
    describe(title, tests);
    return;
  }
  process.stdout.write(`skipped: ${title}: ${missing}\n`);
  it(title, { skip: missing }, () => {});
}

export interface ToolRun {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Absent: 2 minutes. */
  readonly timeoutMs?: number;
}

export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool to its end and answers what it said. This process goes on answering meanwhile, so it may be the registry. */
export function tryTool(name: RealTool, args: readonly string[], options: ToolRun = {}): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...options.env };
    const child = spawn(toolPath(name), args, { cwd: options.cwd, env, stdio: ["pipe", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        said[stream] += text;
      });
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 120_000);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 1, ...said });
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}

/**
 * The same for a tool that has to succeed; answers its standard output.
 * @throws {Error} with all it said when it ends with another code than 0
 */
export async function runTool(name: RealTool, args: readonly string[], options: ToolRun = {}): Promise<string> {
  const { code, stdout, stderr } = await tryTool(name, args, options);
  if (code !== 0) throw new Error(`${name} ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** distribution 3, with the same options as docker-registry 2.8. */
export function startDistribution3(options: Omit<DockerRegistryOptions, "program">): Promise<DockerRegistry> {
  return startDockerRegistry({ ...options, program: toolPath("distribution") });
}
