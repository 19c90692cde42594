/**
 * Every code that `ApplianceError` may carry, with what it means outside.
 *
 * `status` is the HTTP status, `exit` the exit code of the process, `log` the level at which the edge logs it, and
 * `retry` says whether the same call may be made again by itself (a network cause), without anybody changing anything.
 * Add a code where a caller or an operator would act differently; do not add one per call site.
 */

interface CodeMeaning {
  readonly status: number;
  readonly exit: 0 | 1 | 2 | 3 | 4 | 5;
  readonly log: "debug" | "info" | "warn" | "error";
  readonly retry: boolean;
  /** One sentence for the generated reference. */
  readonly about: string;
}

const failed = (about: string, more: Partial<CodeMeaning> = {}): CodeMeaning => ({
  status: 500,
  exit: 1,
  log: "error",
  retry: false,
  about,
  ...more,
});
/** A broken or lying other side: 502, not retried by itself. */
const upstream = (about: string, more: Partial<CodeMeaning> = {}) =>
  failed(about, { status: 502, log: "warn", ...more });
/** An other side that does not answer now: 502 or 504, retried. */
const away = (about: string, more: Partial<CodeMeaning> = {}) => upstream(about, { retry: true, ...more });
const input = (about: string, more: Partial<CodeMeaning> = {}) =>
  failed(about, { status: 400, exit: 2, log: "info", ...more });
const denied = (about: string, more: Partial<CodeMeaning> = {}) =>
  failed(about, { status: 403, exit: 4, log: "warn", ...more });
const conflict = (about: string, more: Partial<CodeMeaning> = {}) =>
  failed(about, { status: 409, exit: 5, log: "info", ...more });

export const ERROR_CODES = {
  "internal/defect": failed("The executable met a state that it does not know"),
  "internal/timeout": failed("A step took longer than its budget", { status: 504, retry: true }),
  "internal/aborted": failed("The work was stopped by its caller", { status: 503, log: "info" }),

  "cli/usage": input("The command line has an unknown command, flag or value"),
  "config/invalid": input("A setting has a value that cannot be used"),
  "config/unreadable": input("A settings file cannot be read"),

  "json/too-large": input("A JSON document is larger than its bound", { status: 413 }),
  "json/not-utf8": input("A JSON document is not UTF-8"),
  "json/syntax": input("A document is not JSON"),
  "json/too-deep": input("A JSON document is nested deeper than its bound"),
  "json/duplicate-key": input("A JSON object names the same key twice"),
  "json/unsafe-key": input("A JSON object has a key that could change the program (__proto__)"),
  "json/shape": input("A JSON document has a field of the wrong shape"),

  "file/unreadable": failed("A file cannot be read"),
  "file/unwritable": failed("A file cannot be written"),
  "file/disk-full": failed("The disk has no room for a file", { status: 507 }),
  "file/too-large": failed("A file is larger than its bound"),
  "file/corrupt": failed("A file of ours does not hold what its schema says"),

  "net/unreachable": away("The other side refuses or cannot be reached"),
  "net/dns": away("A host name cannot be resolved"),
  "net/tls": upstream("The certificate of the other side is not trusted"),
  "net/tls-truncated": away("The TLS connection ended before its end"),
  "net/timeout": away("The other side did not answer in time", { status: 504 }),
  "net/proxy": away("The proxy refuses or cannot be reached"),
  "net/reset": away("The connection broke while it was used"),
  "net/malformed": upstream("The other side does not speak HTTP, or its headers are too large"),

  "exec/not-found": failed("A program of the host is not there, or may not be run"),
  "exec/timeout": failed("A program of the host took longer than its time", { status: 504, retry: true }),
  "exec/failed": failed("A program of the host ended with an error", { retry: true }),

  "host/network-invalid": input("Network settings cannot be used"),
  "host/network-busy": conflict("Another change of the network waits, or none does"),
  "host/no-account": failed("The system has no account for the first login"),
  "host/not-root": denied("The command wants to be run as root"),
  "host/no-systemd": failed("The machine was not started with systemd, as a box is"),
  "host/disk-full": failed("The disk of the box has no room for Kubernetes", { status: 507, retry: true }),
  "host/clock-wrong": failed("The clock of the box stands before its own certificates", { retry: true }),
  "host/certificates-expired": failed("The certificates of the box's Kubernetes have expired", { retry: true }),
  "host/port-taken": failed("Another program holds a port of the appliance", { status: 409, exit: 5, retry: true }),
  "host/no-address": failed("The box has no address and no default route", { retry: true }),
  "host/no-cgroup": failed("The kernel of the box has no memory control group"),
  "host/no-nftables": failed("The kernel of the box filters no packets for Kubernetes"),
  "host/datastore-damaged": failed("The database of the box's Kubernetes is damaged"),
  "host/k3s-not-ready": failed("Kubernetes of the box does not become ready", { status: 503, retry: true }),
  "host/no-k3s": failed("The program of Kubernetes is not on the box"),
  "host/no-images": failed("The payload of the box holds no images"),
  "host/control-plane-unhealthy": failed("No control plane becomes healthy", { status: 503, retry: true }),
  "host/given-up": failed("The box was started in vain several times; systemd waits for a person now", { exit: 3 }),
  "host/no-control-plane": failed("No image of the control plane can be had on this box", { retry: true }),

  "oci/bad-reference": input("An OCI reference has a form that cannot be used"),
  "oci/bad-digest": input("A digest has another algorithm or form than sha256 with 64 hex digits"),
  "oci/unauthorized": denied("The registry rejects the credentials", { status: 502 }),
  "oci/forbidden": denied("The registry denies access to a repository", { status: 502 }),
  "oci/bad-challenge": upstream("The registry asks for a login in a way that is not safe or not known"),
  "oci/token-failed": upstream("The token service of the registry gives no usable token"),
  "oci/not-found": upstream("The registry has no such repository, tag, manifest or blob", { status: 404 }),
  "oci/rate-limited": away("The registry asks to come back later", { status: 503 }),
  "oci/unavailable": away("The registry answers with a server error", { status: 503 }),
  "oci/redirect-loop": upstream("The registry redirects in a circle"),
  "oci/bad-redirect": upstream("The registry redirects to an address that is not allowed"),
  "oci/unexpected-answer": upstream("The registry answers with something that is not of the protocol"),
  "oci/media-type": upstream("A manifest has a media type that cannot be used"),
  "oci/bad-manifest": upstream("A manifest does not follow the image specification"),
  "oci/too-large": upstream("A manifest, blob or list is larger than its bound"),
  "oci/too-many-layers": upstream("A manifest has more layers than its bound"),
  "oci/digest-mismatch": upstream("Bytes of the registry do not have the digest that was asked for"),
  "oci/size-mismatch": upstream("A descriptor promises another size than the answer announces"),
  "oci/short-body": away("A body ended before its promised size"),
  "oci/long-body": upstream("A body goes on after its promised size"),
  "oci/header-digest-mismatch": upstream("Docker-Content-Digest names another digest than the body has"),
  "oci/tag-taken": conflict("A tag that must not change names something else already"),
  "oci/tag-moved": conflict("A tag changed between two reads of one operation"),
  "oci/encoding": upstream("The registry sent a compressed answer that was not asked for"),
  "oci/no-platform": upstream("An index has no manifest for the wanted platform or artifact"),
  "oci/bad-archive": upstream("An archive in a layer is not a gzip-compressed tar"),
  "oci/unsafe-archive": upstream("An archive in a layer holds a link, a device or a path outside its folder"),
  "oci/bad-layout": input("A folder or a file is no OCI image layout, or holds what does not belong into one"),
  "oci/truncated": failed("A bundle ends before its end"),
  "oci/stalled": away("The registry stopped sending in the middle", { status: 504 }),

  "image/bad-elf": input("An executable or library for an image is no program for Linux, or is damaged"),
  "image/wrong-machine": input("An executable, library or base image is for another machine than the image"),
  "image/not-ours": input("An executable for an image is no appliance executable, or is one of another build"),
  "image/runtime-missing": input("A library that the executable needs is not where it was said to be, or is too old"),
  "image/bad-source": input("A source of libraries or a base image has a form that cannot be used"),

  "release/invalid-manifest": upstream("A release manifest has a field that cannot be used"),
  "release/unsupported-schema": upstream("A release manifest has a schema that this executable does not know"),
  "release/incomplete": upstream("A release refers to something that is not there"),
  "release/downgrade": conflict("The release is older than the installed one"),
  "release/control-plane-too-old": conflict("The release needs a newer control plane"),
  "release/unknown-channel": upstream("The registry has no such channel", { status: 404 }),
  "release/attestation-mismatch": upstream(
    "A bill of materials or provenance speaks of something else, or has another form",
  ),
  "release/no-attestation": upstream("A release has no bill of materials or provenance in the registry", {
    status: 404,
  }),
  "release/offline": away("The registry cannot be reached and no earlier resolve is kept"),

  "trust/bad-key": input("A key file holds no key that can be used"),
  "trust/passphrase": input("A private key is sealed, and its passphrase is missing or wrong"),
  "trust/key-exists": conflict("A key file is there already; keys are never overwritten"),
  "trust/unsigned": upstream("A release has no signature, and this box wants one"),
  "trust/untrusted-signature": upstream("A release is signed, but by none of the trusted keys"),
  "trust/unknown-release": upstream("Signed metadata does not name this release or channel"),
  "trust/wrong-release": upstream("Signed metadata and the release itself disagree about what it is"),
  "trust/extraneous": upstream("A signed release takes something in that it does not pin by digest"),
  "trust/threshold": upstream("Fewer keys signed metadata than its root wants"),
  "trust/rollback": upstream("Signed metadata is older than what this box has seen"),
  "trust/expired": upstream("Signed metadata has expired"),
  "trust/mixed": upstream("Signed documents do not belong together"),
  "trust/withheld": upstream("The registry does not give what signed metadata names"),
  "trust/too-large": upstream("Metadata is larger than its bound"),
  "trust/slow": away("Metadata does not arrive in time", { status: 504 }),
  "trust/bad-metadata": upstream("Metadata has another form"),
  "trust/lost-race": conflict("Somebody else changed signed metadata at the same time, again and again"),

  "build/bad-source": input("The release.yaml or its lock has a field that cannot be used"),
  "build/bad-chart": input("A chart of the source tree cannot be packed"),
  "build/stale-lock": conflict("The lock does not belong to the release.yaml beside it"),
  "build/missing-input": input("A file that the build needs is not there"),
  "build/output-in-use": conflict("The output folder of a build holds something already"),

  "kube/config": input("A kubeconfig or the service account cannot be used"),
  "kube/unreachable": away("The Kubernetes API does not answer", { status: 503 }),
  "kube/untrusted": upstream("The certificate of the Kubernetes API is not trusted"),
  "kube/unauthorized": denied("The Kubernetes API rejects the credentials", { status: 502 }),
  "kube/forbidden": denied("A permission is missing", { status: 502 }),
  "kube/not-found": upstream("A Kubernetes object does not exist", { status: 404 }),
  "kube/conflict": conflict("Another field manager owns a field, or the object changed meanwhile"),
  "kube/invalid": upstream("The Kubernetes API rejects an object"),
  "kube/gone": away("A watch is older than the API keeps"),
  "kube/throttled": away("The Kubernetes API asks to come back later", { status: 503 }),
  "kube/server-error": away("The Kubernetes API answers with a server error", { status: 503 }),
  "kube/unexpected-answer": upstream("The Kubernetes API answers with something that is not of the protocol"),
  "kube/too-large": upstream("An answer of the Kubernetes API is larger than its bound"),
  "kube/timeout": away("An object did not reach the awaited state in time", { status: 504 }),
  "kube/bad-object": input("An object has no apiVersion, kind or name"),

  "flux/bad-artifact": upstream("The artifact of Flux manifests cannot be used"),
  "flux/not-ready": away("Flux controllers did not become ready in time", { status: 504 }),
  "flux/bad-values": upstream("Values of a component cannot be edited"),

  "operation/busy": conflict("Another operation is running"),
  "operation/unknown": failed("There is no such operation", { status: 404, log: "info" }),
  "operation/not-resumable": conflict("The operation has ended or is running"),
  "operation/not-cancellable": conflict("The operation cannot be stopped at this step"),
  "operation/not-pausable": conflict("The operation cannot be paused at this step"),
  "operation/journal-corrupt": failed("The journal of an operation cannot be read from its first line on"),
  "operation/blocked": failed("A step failed and cannot go on by itself", { status: 409 }),
  "operation/lease-lost": conflict("Another process took the lease over"),

  "setup/invalid-answers": input("One or more answers cannot be used"),
  "setup/already-done": conflict("Setup has been completed"),
  "setup/preflight-failed": failed("A check before setup failed", { status: 412, log: "info" }),
  "setup/release-changed": conflict("The plan names another release than the channel offers now"),
  "setup/plan-changed": conflict("What a plan was made of has changed meanwhile"),
  "setup/not-done": conflict("Setup has not been completed"),
  "setup/step-failed": failed("A step of setup did not reach its goal", { status: 502 }),
  "setup/license-rejected": input("The license service rejects the install code"),
  "setup/license-unavailable": away("The license service does not answer"),

  "storage/not-ready": failed("The storage provisioner does not run, so no storage class gives volumes", {
    status: 412,
    retry: true,
  }),
  "storage/busy": conflict("Another one is at work on the storage"),
  "storage/several-defaults": conflict("More than one storage class is the default"),
  "storage/name-taken": conflict("The name of the appliance's storage class is another one's"),
  "storage/unproven": failed("A volume could not be made, written and read again", { retry: true }),
  "storage/bad-folder": failed("The folder of the volumes is no folder", { status: 412 }),

  "update/nothing-installed": conflict("Nothing is installed that could be updated"),
  "update/unknown-plan": failed("The plan of an update was not made by this process", { status: 404, log: "info" }),
  "update/plan-changed": conflict("The plan of an update does not hold any more"),
  "update/not-now": conflict("An update may not begin now"),
  "update/cluster-not-ready": failed("The platform is not ready for an update", { status: 412 }),
  "update/image-unavailable": upstream("An image of the wanted release does not come to the node"),
  "update/returned": failed("An update failed, and the release before is installed again"),
  "update/return-failed": failed("Neither the wanted release nor the one before works"),
  "update/no-return": conflict("There is no way back to the release before"),

  "certificate/missing": conflict("The box has no certificate yet"),
  "certificate/invalid": input("The certificate or its key cannot be used"),
  "session/required": denied("The request has no valid session", { status: 401, log: "info" }),
  "session/wrong-token": denied("The setup token is wrong", { status: 401, log: "info" }),
  "session/wrong-password": denied("The password is wrong", { status: 401, log: "info" }),
  "session/locked": denied("Too many attempts", { status: 429 }),
  "session/already-claimed": conflict("The appliance has been claimed"),
  "session/not-claimed": conflict("The appliance has not been claimed"),
  "session/weak-password": input("The password does not follow the policy"),
  "session/credential-unusable": failed("The stored management credential cannot be used, so nobody can log in", {
    status: 503,
  }),

  "http/bad-request": input("The request cannot be understood"),
  "http/bad-origin": denied("The request comes from another page"),
  "http/not-found": failed("There is no such address", { status: 404, log: "debug" }),
  "http/method": failed("The address does not know this method", { status: 405, log: "debug" }),
  "http/media-type": failed("The request has a content type that is not accepted", { status: 415, log: "debug" }),
  "http/too-large": failed("The request body is too large", { status: 413, log: "info" }),
  "http/slow": failed("The request body did not arrive in time", { status: 408, log: "info" }),
  "http/busy": failed("The server has too many connections", { status: 503, log: "warn", retry: true }),
  "http/draining": failed("The server is stopping", { status: 503, log: "info", retry: true }),
  "http/cannot-listen": failed("An address cannot be listened on", { exit: 5 }),

  "rehearsal/unknown-scenario": input("There is no such scenario"),
  "embed/missing": failed("An asset is missing in the executable"),
} as const satisfies Record<string, CodeMeaning>;

export type ErrorCode = keyof typeof ERROR_CODES;
