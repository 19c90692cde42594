/**
 * What can be wrong in a rehearsal, and the scenarios that a support engineer must know.
 *
 * A scenario is data: which faults it switches on, what a person will see, and what mends it in real life. Faults are read
 * by the actors at every turn, so a scenario can be mended while the appliance is looking.
 */
import { ApplianceError } from "../core/errors.ts";
import type { TrustFault } from "./publisher.ts";

export interface Faults {
  /** Nothing listens where the registry should be. */
  readonly registryDown: boolean;
  /** Milliseconds by which the registry's clock is ahead of this machine's. */
  readonly clockSkewMs: number;
  /** Component whose image the registry does not have. */
  readonly missingImage: string | null;
  /** Component whose Helm release is stuck in pending-install. */
  readonly stuckHelm: string | null;
  readonly bootstrapFails: boolean;
  readonly nodeNotReady: boolean;
  readonly diskFull: boolean;
  /** What is wrong with signatures and signed metadata. */
  readonly trust: TrustFault | null;
}

const NO_FAULTS: Faults = {
  registryDown: false,
  clockSkewMs: 0,
  missingImage: null,
  stuckHelm: null,
  bootstrapFails: false,
  nodeNotReady: false,
  diskFull: false,
  trust: null,
};

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** What the operator will meet. */
  readonly about: string;
  /** What mends it on a real box; in the rehearsal the bar at the top does it. */
  readonly mend: string;
  readonly faults: Partial<Faults>;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "registry-unreachable",
    title: "The registry cannot be reached",
    about: "No channel can be resolved: the checks before setup fail and name the registry",
    mend: "Open the firewall or the proxy for the registry",
    faults: { registryDown: true },
  },
  {
    name: "wrong-clock",
    title: "The clock of the box is wrong",
    about: "The registry's clock is two hours ahead: certificates and tokens would not be valid",
    mend: "Set the clock, or give the box a time server",
    faults: { clockSkewMs: 2 * 3_600_000 },
  },
  {
    name: "image-missing",
    title: "One image of the release is missing",
    about: "The application's pod waits for an image that the registry does not have",
    mend: "Publish the image, or choose a release that is complete",
    faults: { missingImage: "alga-core" },
  },
  {
    name: "stuck-helm",
    title: "A Helm release is stuck",
    about: "An interrupted installation left the release of temporal in pending-install",
    mend: "Remove the pending revision, then reconcile the release",
    faults: { stuckHelm: "temporal" },
  },
  {
    name: "bootstrap-fails",
    title: "The bootstrap job fails",
    about: "The job that creates the first tenant ends with an error every time",
    mend: "Read the job's log, correct the cause, then start the job again",
    faults: { bootstrapFails: true },
  },
  {
    name: "node-not-ready",
    title: "The node is not ready",
    about: "The kubelet stopped reporting, so nothing new can start",
    mend: "Restart k3s on the box",
    faults: { nodeNotReady: true },
  },
  {
    name: "full-disk",
    title: "The disk is full",
    about: "There is too little room for images and volumes",
    mend: "Free room, or give the box a larger disk",
    faults: { diskFull: true },
  },
  {
    name: "metadata-expired",
    title: "The signed metadata of the channels has expired",
    about:
      "Nobody has signed it anew for a month: the release waits for the operator's decision or for a fresh signature",
    mend: "Sign it anew, or decide until when it is good all the same",
    faults: { trust: "expired" },
  },
  {
    name: "metadata-rolled-back",
    title: "The registry shows metadata of before",
    about: "Signed metadata is older than what the box has seen, as from a mirror that is behind or that wants it so",
    mend: "Bring the mirror up to date, or use another one",
    faults: { trust: "rolled-back" },
  },
  {
    name: "foreign-key",
    title: "The release is signed by another key",
    about: "The release of channel stable has a signature, but not by the publisher whom this box trusts",
    mend: "Ask the publisher to sign it, or choose another release",
    faults: { trust: "foreign-key" },
  },
];

/** The switchboard that actors read and the rehearsal's page changes. */
export interface Stage {
  faults(): Faults;
  scenario(): string | null;
  /** Plays a scenario, or none; answers when everybody has followed. */
  play(name: string | null): Promise<void>;
  onChange(call: () => void | Promise<void>): void;
}

/**
 * Makes the switchboard.
 *
 * @throws {ApplianceError} rehearsal/unknown-scenario when there is no scenario of this name.
 */
export function createStage(first: string | null): Stage {
  let playing = findScenario(first);
  const watchers: (() => void | Promise<void>)[] = [];
  return {
    faults: () => ({ ...NO_FAULTS, ...playing?.faults }),
    scenario: () => playing?.name ?? null,
    play: async (name) => {
      playing = findScenario(name);
      await Promise.all(watchers.map((call) => call()));
    },
    onChange: (call) => void watchers.push(call),
  };
}

function findScenario(name: string | null): Scenario | undefined {
  const found = SCENARIOS.find((one) => one.name === name);
  if (name !== null && found === undefined) {
    const names = SCENARIOS.map((one) => one.name).join(", ");
    throw new ApplianceError("rehearsal/unknown-scenario", `Cannot play scenario "${name}": one of ${names} is wanted`);
  }
  return found;
}
