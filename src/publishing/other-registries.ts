/**
 * Registries of others that a release names: Flux's, Docker Hub, anything that additionalImages lists.
 *
 * Trust: what is read there is checked by the digest that the release or its lock pins. A login or an authority that was given for
 * our registry is never shown to another host; another host's login stands under its own name in the credentials file.
 */
import type { CommandContext, Flag } from "../cli/command.ts";
import { flagTexts } from "../cli/flag-values.ts";
import type { SettingKey } from "../cli/settings.ts";
import { ApplianceError } from "../core/errors.ts";
import type { RegistryClient } from "../oci/client.ts";
import { isRegistryHost } from "../oci/reference.ts";
import { apiHost } from "../release/image-name.ts";
import { openRegistry } from "../release/registry-access.ts";
import { registryAccess } from "../release/registry-flags.ts";

/** How registries of others are trusted. */
export const OTHER_CA_FLAG: Flag = {
  name: "other-ca",
  type: "string",
  multiple: true,
  value: "<host=pem file>",
  summary: "Private CA of another registry that the release names",
};

/** What was said for our registry, and holds for no other. */
const OURS: readonly SettingKey[] = ["registry.username", "registry.password", "registry.ca", "registry.plainHttp"];

/**
 * Makes a function that opens another registry by its host, each once. Nothing is sent yet; the proxy is the same as ours, and
 * loopback speaks HTTP.
 *
 * @throws {ApplianceError} cli/usage for an `--other-ca` of another form; config/invalid through the function when a file
 *   cannot be used.
 */
export function otherRegistries(context: CommandContext): (host: string) => Promise<RegistryClient> {
  const authorities = new Map(flagTexts(context.flags, "other-ca").map(authorityOf));
  const clients = new Map<string, Promise<RegistryClient>>();
  const open = async (host: string): Promise<RegistryClient> => {
    const own = (key: SettingKey): string | undefined =>
      key === "registry.ca" ? (authorities.get(host) ?? authorities.get(shownHost(host))) : undefined;
    const settings = {
      ...context.settings,
      get: (key: SettingKey) => (OURS.includes(key) ? own(key) : context.settings.get(key)),
    };
    const flags = { ...context.flags, "password-stdin": false };
    const reference = { registry: host, repository: "any" };
    return openRegistry(context.deps, await registryAccess({ ...context, settings, flags }, reference));
  };
  return (registry) => {
    const host = apiHost(registry);
    const client = clients.get(host) ?? open(host);
    clients.set(host, client);
    return client;
  };
}

/** People name Docker Hub as images do. */
function shownHost(host: string): string {
  return host === apiHost("docker.io") ? "docker.io" : host;
}

function authorityOf(text: string): readonly [host: string, file: string] {
  const at = text.indexOf("=");
  const [host, file] = [text.slice(0, at).toLowerCase(), text.slice(at + 1)];
  if (at > 0 && file !== "" && isRegistryHost(host)) return [host, file];
  throw new ApplianceError(
    "cli/usage",
    `Cannot use --other-ca "${text.slice(0, 200)}": <host>=<pem file> is wanted, such as quay.example.com=ca.pem`,
  );
}
