/**
 * Who is at the other end of a Unix socket, by the kernel's own word (SO_PEERCRED): nothing that the peer sends can change it.
 *
 * Only Bun's foreign functions reach the call; on another runtime there is no answer, and who wants one refuses to serve.
 *
 * @see unix(7), SO_PEERCRED
 */
import type { Socket } from "node:net";
import type { PeerIdentity } from "../cli/command.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** Reads the identity of the peer of a connected socket; undefined when the kernel does not tell it. */
export type PeerReader = (socket: Socket) => PeerIdentity | undefined;

/** The module of foreign functions, as far as it is used here. */
interface Foreign {
  dlopen(
    library: string,
    symbols: Readonly<Record<string, { readonly args: readonly string[]; readonly returns: string }>>,
  ): { readonly symbols: Readonly<Record<string, (...values: readonly unknown[]) => number>> };
  ptr(view: ArrayBufferView): unknown;
}

/** Finds the way to ask the kernel; undefined where this runtime has none. */
export async function openPeerReader(): Promise<PeerReader | undefined> {
  // A name in a variable: other runtimes do not look for it before it is used.
  const module = "bun:ffi";
  try {
    const { dlopen, ptr } = (await import(module)) as Foreign;
    const i32 = "i32";
    const library = dlopen("libc.so.6", { getsockopt: { args: [i32, i32, i32, "ptr", "ptr"], returns: i32 } });
    const { getsockopt } = library.symbols;
    return getsockopt === undefined ? undefined : (socket) => ask(socket, getsockopt, ptr);
  } catch {
    return undefined;
  }
}

function ask(
  socket: Socket,
  getsockopt: (...values: readonly unknown[]) => number,
  ptr: Foreign["ptr"],
): PeerIdentity | undefined {
  const fd = descriptorOf(socket);
  if (fd === undefined) return undefined;
  const credentials = new Int32Array(3);
  const length = new Int32Array([credentials.byteLength]);
  const failed = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ptr(credentials), ptr(length)) !== 0;
  const [pid = 0, uid = -1, gid = -1] = credentials;
  return failed || length[0] !== credentials.byteLength || uid < 0 ? undefined : { pid, uid, gid };
}

/** Node and Bun keep the descriptor of a connection on its handle. */
function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = "_handle" in socket ? socket._handle : undefined;
  const fd: unknown = typeof handle === "object" && handle !== null && "fd" in handle ? handle.fd : undefined;
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
