/** The steps of a setup as the contract names them; written down apart from the code, so that a change of it is noticed. */
export const SETUP_STEP_IDS = [
  "preflight",
  "storage",
  "flux",
  "release",
  "namespaces",
  "values",
  "secrets",
  "selection",
  "source",
  "reconcile",
  "tenant",
  "login",
] as const;
