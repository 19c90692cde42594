/** `release have`: what this box has, for `release bundle --since`. */
import type { Command, CommandContext } from "../cli/command.ts";
import { EXIT, type ExitCode, isApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { createKube } from "../kube/client.ts";
import { findKubeAccess, openConnection } from "../kube/config.ts";
import { formatHaveList, HAVE_SCHEMA, type HaveList, nodeImages, storeContents } from "./have-list.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "have"],
    summary: "Print what this box has, for release bundle --since",
    description:
      "Lists the content of the box's store, and with --node the images that its nodes report (at most the 50 largest of a node). " +
      "An image that only the node has is gone when Kubernetes clears it away, so leave --node out where the store shall be " +
      "able to install again by itself. Nothing is listed that is not whole.",
    flags: [
      { name: "node", type: "boolean", summary: "List the images that the nodes report too" },
      {
        name: "kubeconfig",
        type: "string",
        value: "<file>",
        summary: "Kubeconfig of the cluster; in a pod the service account",
      },
    ],
    examples: [
      { command: "alga-appliance release have > box.json", about: "Carry the file to where bundles are made" },
      { command: "alga-appliance release have --node > box.json", about: "For the smallest update" },
    ],
    run: have,
  },
];

async function have(context: CommandContext): Promise<ExitCode> {
  const { deps, settings, flags, out, signal } = context;
  const content = await storeContents(deps, statePaths(settings.get("root") ?? "/").store, signal);
  const node = flags.node === true ? await imagesOf(context) : { images: [] };
  const list: HaveList = { schema: HAVE_SCHEMA, content: [...content], ...node };
  const count = `${list.content.length} parts in the store, ${list.images.length} images on the nodes`;
  out.progress(count);
  out.result(list, () => formatHaveList(list));
  return EXIT.done;
}

/** A box whose cluster does not answer still has its store. */
async function imagesOf({
  deps,
  settings,
  env,
  out,
  signal,
}: CommandContext): Promise<Pick<HaveList, "images" | "platform">> {
  try {
    const access = await findKubeAccess(deps, { kubeconfig: settings.get("kubeconfig"), environment: env });
    return await nodeImages(createKube(deps, openConnection(deps.transports, access)), signal);
  } catch (thrown) {
    if (!isApplianceError(thrown) || !thrown.code.startsWith("kube/")) throw thrown;
    out.notice(`Images of the nodes are left out: ${thrown.message}`);
    return { images: [] };
  }
}
