/**
 * k3s' own file of registries: by it the node pulls from where the settings of the box say, with their CA and their login.
 *
 * The control plane speaks to the registry itself; the pods' images are pulled by containerd, which reads nothing of ours. The file
 * holds a password, so it is root's alone. k3s reads it when it starts.
 *
 * @see k3s documentation, "Private Registry Configuration"
 */
import { stringify } from "yaml";
import { isApplianceError } from "../core/errors.ts";
import { DEFAULT_PLACE, mirroredName, placeText, type RegistryPlace } from "../release/location.ts";
import type { RegistryAccess } from "../release/registry-access.ts";
import type { BootstrapCall } from "./bootstrap-context.ts";
import { placeOwnFile } from "./own-file.ts";

const FILE = "/etc/rancher/k3s/registries.yaml";
const CA_FILE = "/etc/rancher/k3s/alga-appliance-registry-ca.pem";
/** An operator's own file, which ours took the place of. */
const ASIDE = `${FILE}.before-alga-appliance`;
/** By this line a file is known as ours. */
const HEAD =
  "# Made at every boot from the settings of the box (/etc/alga-appliance/config.yaml): change them, not this file.\n";

/** Registries of others whose images a mirror holds. */
const OTHERS = ["docker.io", "quay.io", "registry.k8s.io"] as const;

/** The files that k3s needs for a registry: path -> text. Empty for the publisher's own without a login. */
export type RegistryFiles = Readonly<Record<string, string>>;

/** What k3s must be told of a registry. Pure; the answer holds the password. */
export function registryFiles(access: RegistryAccess): RegistryFiles {
  const { place, ca, plainHttp } = access;
  const auth = authOf(access);
  const tls = ca === undefined ? undefined : { ca_file: CA_FILE };
  const isUsual = place.registry === DEFAULT_PLACE.registry && plainHttp !== true;
  if (isUsual && auth === undefined && tls === undefined && place.base === DEFAULT_PLACE.base) return {};
  const config = { ...(auth === undefined ? {} : { auth }), ...(tls === undefined ? {} : { tls }) };
  const document = {
    mirrors: mirrorsOf(place, `${plainHttp === true ? "http" : "https"}://${place.registry}`),
    ...(Object.keys(config).length === 0 ? {} : { configs: { [place.registry]: config } }),
  };
  return { [FILE]: `${HEAD}${stringify(document)}`, ...(ca === undefined ? {} : { [CA_FILE]: ca }) };
}

/** containerd has no field for a bearer token: such a login is the control plane's alone. */
function authOf({ credentials }: RegistryAccess): object | undefined {
  if (credentials === undefined || credentials.kind === "bearer") return undefined;
  if (credentials.kind === "identity") return { identity_token: credentials.token.reveal() };
  return { username: credentials.username, password: credentials.password.reveal() };
}

/** Our own registry by its scheme; where it is a mirror, what it holds of others too. The registry itself stays the way out. */
function mirrorsOf(place: RegistryPlace, endpoint: string): object {
  const own = { [place.registry]: { endpoint: [endpoint] } };
  if (placeText(place) === placeText(DEFAULT_PLACE)) return own;
  const below = (name: string): string => (place.base === "" ? name : `${place.base}/${name}`);
  const others = OTHERS.filter((host) => host !== place.registry).map((host) => {
    const name = mirroredName(`${host}/$1`, placeText(DEFAULT_PLACE));
    return [host, { endpoint: [endpoint], rewrite: { "^(.*)$": below(name) } }] as const;
  });
  return { ...own, ...Object.fromEntries(others) };
}

/**
 * Puts the file right. Safe to call again. Settings that cannot be used leave it as it is: they are mended on the page.
 * @returns whether anything was changed, and k3s has to start again.
 */
export async function placeRegistries(call: BootstrapCall): Promise<boolean> {
  const { deps, settings } = call;
  let files: RegistryFiles;
  try {
    files = registryFiles((await settings.follows()).registry);
  } catch (error) {
    if (!isApplianceError(error) || error.code === "internal/aborted") throw error;
    deps.log.warn("registries of k3s left as they are", { error });
    return false;
  }
  const ca = await placeOwnFile(call, CA_FILE, { text: files[CA_FILE] });
  const file = await placeOwnFile(call, FILE, { text: files[FILE], head: HEAD, aside: ASIDE });
  return ca || file;
}
