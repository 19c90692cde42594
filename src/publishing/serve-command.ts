/** `release serve`: bundles, a layout or the box's own store as a read-only registry, until it is told to stop. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { listenFlags, parsePort } from "../cli/listen-flags.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { type LayoutCatalog, readCatalog } from "../oci/layout-catalog.ts";
import { createLiveRegistry } from "../oci/layout-live.ts";
import { createLayoutRegistry } from "../oci/layout-registry.ts";
import { openLayoutAt } from "../oci/layout-tar.ts";
import { DEFAULT_PLACE } from "../release/location.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { refsOfTags } from "../release/registry-flags.ts";
import { BUNDLES, bundlePlaces, openBundles } from "./named-bundles.ts";

/** Milliseconds that downloads get to end after SIGTERM. */
const DRAIN_MS = 5_000;
/** PEM of a chain and of a key. */
const MAX_PEM_BYTES = 256 * 1024;
/** A box has one containerd and one Flux; a hall of boxes that install from one laptop has some dozens. */
const MAX_CONNECTIONS = 256;

const FLAGS: readonly Flag[] = [
  ...listenFlags({ listen: "127.0.0.1", port: "5000" }),
  {
    name: "repository",
    type: "string",
    value: "<base>",
    summary: "Base before every repository, as the registry of the publisher has it",
    fallback: DEFAULT_PLACE.base,
  },
  { name: "tls-cert", type: "string", value: "<pem file>", summary: "Certificate with its chain: serve with TLS" },
  { name: "tls-key", type: "string", value: "<pem file>", summary: "Key of the certificate" },
];

export const commands: readonly Command[] = [
  {
    path: ["release", "serve"],
    summary: "Serve bundles or the box's own store as a read-only registry",
    description:
      "Reads a bundle, a layout folder, or several of them as one (a bundle made with --since, and what it builds on). Without " +
      "an argument it serves the store that release load fills, and follows it. Setup and update run unchanged against the " +
      "address that it prints. Every blob is checked while it is sent; release check looks at all of them before.",
    flags: FLAGS,
    positionals: [BUNDLES],
    examples: [
      {
        command: "alga-appliance release serve media.tar",
        about: "On this machine: setup run --registry 127.0.0.1:5000",
      },
      {
        command: "alga-appliance release serve media.tar --listen 10.0.0.5 --tls-cert tls.crt --tls-key tls.key",
        about: "For the boxes of a network without internet",
      },
      {
        command: "alga-appliance release serve --port 0 -o json",
        about: "The box's store, for scripts: one line with the address",
      },
    ],
    run: serve,
  },
];

interface Served {
  readonly fetch: Fetch;
  readonly catalog: LayoutCatalog;
  close(): Promise<void>;
}

async function serve(context: CommandContext): Promise<ExitCode> {
  const base = context.settings.get("registry.repository") ?? DEFAULT_PLACE.base;
  const tls = await tlsOf(context);
  const port = parsePort(flagText(context.flags, "port") ?? "5000");
  const served = await openServed(context, base);
  try {
    const listening = await context.listen({
      host: flagText(context.flags, "listen") ?? "127.0.0.1",
      port,
      limits: { maxConnections: MAX_CONNECTIONS },
      handle: served.fetch,
      ...(tls === undefined ? {} : { tls }),
    });
    try {
      announce(context, served, { base, listening, scheme: tls === undefined ? "http" : "https" });
      await stopped(context.signal);
    } finally {
      await listening.close(DRAIN_MS);
    }
  } finally {
    await served.close();
  }
  return EXIT.done;
}

/** A folder is followed, because `release load` may fill it meanwhile; tars and several layouts are read once. */
async function openServed(context: CommandContext, base: string): Promise<Served> {
  const { deps, args } = context;
  const places = bundlePlaces(context);
  const [place = "", second] = places;
  const isFolder = args.length === 0 || (await deps.files.stat(place))?.kind === "directory";
  if (second === undefined && isFolder) {
    if (args.length > 0) await (await openLayoutAt(deps, place)).close();
    const live = createLiveRegistry(deps, place, { base });
    return { fetch: live.fetch, catalog: await live.catalog(), close: async () => {} };
  }
  const layout = await openBundles(deps, places);
  const catalog = await readCatalog(layout);
  return { fetch: createLayoutRegistry(layout, catalog, { base }), catalog, close: () => layout.close() };
}

function announce(
  { out }: CommandContext,
  { catalog }: Served,
  at: { readonly base: string; readonly listening: { address: string; port: number }; readonly scheme: string },
): void {
  const { listening } = at;
  const host = listening.address.includes(":") ? `[${listening.address}]` : listening.address;
  const refs = refsOfTags([...(catalog.repositories.get(RELEASE_REPOSITORY)?.tags.keys() ?? [])].sort());
  const shown = {
    url: `${at.scheme}://${host}:${listening.port}`,
    registry: `${host}:${listening.port}`,
    base: at.base,
    channels: refs.flatMap((ref) => ("channel" in ref ? [ref.channel] : [])),
    versions: refs.flatMap((ref) => ("version" in ref ? [ref.version] : [])),
    repositories: catalog.repositories.size,
    missing: catalog.missing.length,
  };
  const holds = [
    `${shown.repositories} repositories`,
    `channels: ${shown.channels.join(", ") || "none"}`,
    `versions: ${shown.versions.join(", ") || "none"}`,
    ...(shown.missing === 0 ? [] : [`${shown.missing} parts are not in it`]),
  ];
  out.event(shown, () => `Serving ${shown.url} under ${at.base === "" ? "no base" : at.base} (${holds.join("; ")})`);
}

async function tlsOf(context: CommandContext): Promise<{ readonly cert: string; readonly key: string } | undefined> {
  const { flags } = context;
  const [cert, key] = [flagText(flags, "tls-cert"), flagText(flags, "tls-key")];
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new ApplianceError("cli/usage", "Cannot serve with TLS: --tls-cert and --tls-key are wanted together");
  }
  return { cert: await pem(context, cert), key: await pem(context, key) };
}

async function pem({ deps, env }: CommandContext, path: string): Promise<string> {
  const bytes = await deps.files.read(typedPath(path, env), { maxBytes: MAX_PEM_BYTES });
  if (bytes !== undefined) return new TextDecoder().decode(bytes);
  throw new ApplianceError("config/invalid", `Cannot use PEM file "${path}": there is no such file`);
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
