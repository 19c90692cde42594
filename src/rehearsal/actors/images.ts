/** Pulling images as a kubelet does: images of the embedded registry are looked up there, foreign ones are taken as present, unless the box is cut off. */
import { ApplianceError } from "../../core/errors.ts";
import { type KubeObject, listAt, refOf } from "../../kube/model.ts";
import { parseReference } from "../../oci/reference.ts";
import { type ActorContext, listOf, NODE } from "./actor.ts";

export interface PullProblem {
  readonly reason: "ErrImagePull" | "ImagePullBackOff";
  readonly message: string;
}

/** Looks whether an image can be pulled now; undefined when it can. */
export async function pullProblem(context: ActorContext, image: string): Promise<PullProblem | undefined> {
  const reference = parseReference(image, { registry: "docker.io" });
  const failed = (why: string): PullProblem => ({
    reason: "ImagePullBackOff",
    message: `Back-off pulling image "${image}": ErrImagePull: ${why}`,
  });
  if (reference.registry !== context.registryHost) {
    return context.isCutOff ? failed(`dial tcp: lookup ${reference.registry}: no such host`) : undefined;
  }
  const component = context.components.find((one) => one.name === context.faults().missingImage);
  if (component?.imageRepository !== undefined && reference.repository.endsWith(`/${component.imageRepository}`)) {
    return failed(`rpc error: code = NotFound desc = failed to pull and unpack image "${image}": not found`);
  }
  const node = (await listOf(context, NODE))[0];
  if (isOnNode(node, image)) return undefined;
  if (context.faults().registryDown) return failed(`dial tcp: connect: connection refused`);
  try {
    await context.registry.resolve(reference.repository, reference.digest ?? reference.tag ?? "latest");
    if (node !== undefined) await keepOnNode(context, node, image);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof ApplianceError) return failed(thrown.message);
    throw thrown;
  }
}

/** What came once is not asked for again. @see Kubernetes, "Images", section "Image pull policy" (IfNotPresent) */
function isOnNode(node: KubeObject | undefined, image: string): boolean {
  return listAt(node, "status", "images").some((one) => listAt(one, "names").includes(image));
}

async function keepOnNode(context: ActorContext, node: KubeObject, image: string): Promise<void> {
  const images = [...listAt(node, "status", "images"), { names: [image] }];
  await context.kube.patch(refOf(node), { status: { images } }, { subresource: "status" });
}
