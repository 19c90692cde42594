/**
 * What is known at build time. `build.ts` defines the three names; run from sources they are absent and the defaults say so.
 */
declare const ALGA_VERSION: string | undefined;
declare const ALGA_REVISION: string | undefined;
declare const ALGA_TARGET: string | undefined;

export interface BuildInfo {
  readonly version: string;
  /** Commit the executable was built from; "source" when it runs from sources. */
  readonly revision: string;
  readonly target: string;
}

export const BUILD: BuildInfo = {
  version: typeof ALGA_VERSION === "string" ? ALGA_VERSION : "0.0.0-source",
  revision: typeof ALGA_REVISION === "string" ? ALGA_REVISION : "source",
  target: typeof ALGA_TARGET === "string" ? ALGA_TARGET : "source",
};
