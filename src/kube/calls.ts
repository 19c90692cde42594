/**
 * The calls of the Kubernetes client and their options: the port that other rooms and their tests see.
 *
 * `client.ts` implements it over HTTP; a test may pass an object literal, or the client over the rehearsal's API server.
 */
import type { AccessRule, Attempt } from "./errors.ts";
import type { KindRef, KubeList, KubeObject, ObjectRef, WatchEvent } from "./model.ts";
import type { Resource } from "./resources.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ApplyOptions extends CallOptions {
  /** Takes fields from other managers. Absent: a conflict is an error. */
  readonly force?: boolean;
  /** Asks what would happen; nothing is stored. */
  readonly dryRun?: boolean;
  readonly subresource?: "status" | "scale";
}

export interface PatchOptions extends CallOptions {
  /** RFC 7396 or RFC 6902. Absent: merge. */
  readonly type?: "merge" | "json";
  readonly subresource?: "status" | "scale";
  readonly dryRun?: boolean;
}

export interface DeleteOptions extends CallOptions {
  /** Absent: Background. */
  readonly propagation?: "Background" | "Foreground" | "Orphan";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly gracePeriodSeconds?: number;
}

export interface ListOptions extends CallOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Objects in all, over all pages. Absent: 20 000. */
  readonly limit?: number;
  /** Asks for metadata only (PartialObjectMetadata). */
  readonly metadataOnly?: boolean;
  /** Reduces each object as its page is read, so that a large collection is never whole in memory. */
  readonly keep?: (object: KubeObject) => KubeObject;
  /** When an object was news, milliseconds since 1970. Given: of more than `limit` objects the oldest are left out. */
  readonly timeOf?: (object: KubeObject) => number;
}

export interface LogOptions extends CallOptions {
  readonly tailLines: number;
  readonly limitBytes: number;
  /** The log of the container that ran before. */
  readonly previous?: boolean;
}

export interface FollowOptions {
  /** Lines of the past that come first. Absent: all of them. */
  readonly tailLines?: number;
  /** RFC 3339; only lines of this second and later. */
  readonly since?: string;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** One line of a log without its line break. Untrusted text. */
export interface LogLine {
  /** When the container wrote it, RFC 3339 with up to nine digits of a second, in the zone of the node; "" when nobody says. */
  readonly at: string;
  readonly text: string;
}

export interface WatchOptions {
  /** Changes after this version are sent; from a list or a bookmark. */
  readonly resourceVersion: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly metadataOnly?: boolean;
  /** Seconds after which the server ends the stream; ten more without a byte are net/timeout. Absent: 30. */
  readonly timeoutSeconds?: number;
  /** Told when the server has accepted the watch; the first event may come much later. */
  readonly onOpen?: () => void;
  readonly signal?: AbortSignal;
}

export interface PodRef {
  readonly namespace: string;
  readonly pod: string;
  readonly container?: string;
}

export interface AccessQuestion extends AccessRule {
  readonly subresource?: string;
}

export interface KubeVersion {
  readonly gitVersion: string;
  readonly major: number;
  readonly minor: number;
}

/**
 * The calls of the Kubernetes API that this product makes. Every answer is untrusted: bounded in size and checked in form.
 *
 * Each call ends within its own time limit or when its signal fires, and throws the `kube/` error that fits the answer. Reads are
 * repeated by themselves when the server cannot be reached; writes only where that is safe.
 *
 * @see Kubernetes API conventions, "HTTP Status codes" and "Concurrency Control and Consistency"
 */
export interface Kube {
  /** Address of the API server, for messages. */
  readonly server: string;
  /** The server's version. Also the cheapest question that proves the connection. */
  version(signal?: AbortSignal): Promise<KubeVersion>;
  /** Reads one object; undefined when it, its namespace or its kind does not exist. */
  get(ref: ObjectRef, options?: CallOptions): Promise<KubeObject | undefined>;
  /**
   * Reads a collection page by page.
   *
   * @throws {ApplianceError} kube/not-found with `details.missing` "kind" when the kind is not served.
   */
  list(kind: KindRef, options?: ListOptions): Promise<KubeList>;
  /**
   * Server-side apply as field manager "alga-appliance". Safe to call again.
   *
   * @throws {ApplianceError} kube/conflict with `details.conflicts` when another manager owns a field and force is not set.
   */
  apply(object: KubeObject, options?: ApplyOptions): Promise<KubeObject>;
  patch(ref: ObjectRef, patch: object, options?: PatchOptions): Promise<KubeObject>;
  /** Writes a whole object; its resourceVersion, when it has one, must still be current. */
  replace(
    object: KubeObject,
    options?: CallOptions & { readonly subresource?: "status"; readonly dryRun?: boolean },
  ): Promise<KubeObject>;
  create(object: KubeObject, options?: CallOptions & { readonly dryRun?: boolean }): Promise<KubeObject>;
  /** Deletes an object; false when it was not there. Safe to call again. */
  delete(ref: ObjectRef, options?: DeleteOptions): Promise<boolean>;
  /**
   * Streams changes until the server ends the stream, the signal fires, or the caller stops reading.
   *
   * @throws {ApplianceError} kube/gone when the resourceVersion is too old: list again.
   */
  watch(kind: KindRef, options: WatchOptions): AsyncIterable<WatchEvent>;
  /** Reads the end of a container's log, at most `limitBytes`. The text is untrusted and may hold secrets of others. */
  logs(ref: PodRef, options: LogOptions): Promise<string>;
  /**
   * Follows a container's log: pieces of lines as they come, until the container ends. May stay silent without limit.
   *
   * @throws {ApplianceError} internal/aborted when the signal fires, kube/unreachable when the stream breaks.
   */
  follow(ref: PodRef, options: FollowOptions): AsyncIterable<readonly LogLine[]>;
  /** Asks the API server whether we may (SelfSubjectAccessReview). */
  canI(
    question: AccessQuestion,
    options?: CallOptions,
  ): Promise<{ readonly allowed: boolean; readonly reason: string }>;
}

export interface KubeOptions {
  /** Who owns what is written. Absent: "alga-appliance"; the rehearsal's actors use their own. */
  readonly fieldManager?: string;
}

/** A kind or object with everything a request needs. */
export interface Target {
  readonly kind: KindRef;
  readonly resource: Resource;
  readonly path: string;
  readonly attempt: Attempt;
}
