/** What an operator should know before starting, and what does not stop a setup. */
import { isApplianceError } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import { isIpAddress } from "../core/ip.ts";
import { nameServersOf } from "../release/answered-registry.ts";
import type { ResolvedRelease } from "../release/resolved.ts";
import type { SetupInputs } from "./model.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";
import { volumesWarning } from "./volumes.ts";

export interface WarningOptions {
  readonly resolved: ResolvedRelease;
  readonly settings: SetupSettings;
  readonly licensed: boolean;
}

/** Gathers the warnings for a plan, each a whole sentence. Asks the name servers; never rejects for what they say. */
export async function planWarnings(deps: SetupDeps, inputs: SetupInputs, options: WarningOptions): Promise<string[]> {
  const { resolved } = options;
  const warnings: string[] = [];
  if (resolved.verifiedBy === "none") {
    warnings.push(
      "The release is unverified: no key that this box trusts has signed it. Its bytes are checked by digest; who made them is not proven.",
    );
  }
  if (resolved.accepted !== undefined) {
    warnings.push(
      `The ${resolved.accepted}; this box was told to accept that, so the channel may have moved on meanwhile.`,
    );
  }
  if (deps.registry.plainHttp === true && !isLoopbackHost(deps.registry.place.registry)) {
    warnings.push(
      "The registry is spoken to without TLS: anybody on the way can read and change what the channel points at.",
    );
  }
  if (resolved.missing.length > 0) {
    const names = resolved.missing.map(({ name }) => name).join(", ");
    warnings.push(`The registry does not show ${names}; they must be on this machine already.`);
  }
  if (inputs.editionChoice === "ee" && !options.licensed) {
    warnings.push("Enterprise edition is chosen without a license: enter one later in the application.");
  }
  const { rehearsal, stateFolder } = options.settings;
  const found = [
    rehearsal ? undefined : await volumesWarning(deps, resolved.manifest, stateFolder),
    await addressWarning(deps, inputs),
  ];
  return [...warnings, ...found.filter((one) => one !== undefined)];
}

/** People reach the application only when its name leads to this machine. Asks the name servers; never rejects for what they say. */
export async function addressWarning(
  deps: Pick<SetupDeps, "network">,
  inputs: Pick<SetupInputs, "appHostname" | "dnsMode" | "dnsServers">,
): Promise<string | undefined> {
  const host = new URL(inputs.appHostname).hostname.replace(/^\[|\]$/g, "");
  const mine = await deps.network.addresses();
  const servers = nameServersOf(inputs);
  try {
    const options = { timeoutMs: 3_000, ...(servers === undefined ? {} : { servers }) };
    const found = isIpAddress(host) ? [host] : await deps.network.resolve(host, options);
    if (found.some((address) => mine.includes(address))) return undefined;
    return `${host} leads to ${found.join(", ")}, not to this machine (${mine.join(", ")}). That is right only behind a proxy; otherwise correct its DNS record.`;
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return `The name ${host} is not known yet. Give it a DNS record that leads to ${mine.join(" or ")}.`;
  }
}
