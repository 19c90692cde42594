/**
 * The claim: how a box without a management password gets one, exactly once.
 *
 * The setup token lies in a file of the box and is shown on its console. Whoever types it may set the password. The
 * credential is created first, atomically and only if there is none; then the token is removed. A crash in between is
 * safe: with a credential on disk the token opens nothing, and the next start removes it.
 */
import { ApplianceError } from "../core/errors.ts";
import { brokenPasswordRules, PASSWORD_MIN_LENGTH } from "../core/password-policy.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { isSameSecret, type Secret } from "../core/secret.ts";
import { type CredentialState, createPasswordHasher, readCredential } from "./credential.ts";

const MAX_TOKEN_BYTES = 1024;

export interface Claim {
  /** Reads the credential anew: another process of the box may have set or reset it. */
  credential(): Promise<CredentialState>;
  /** Compares with the setup token of the box, in constant time. False when the box has none. */
  isSetupToken(text: string): Promise<boolean>;
  /**
   * Sets the first password and uses the token up.
   *
   * @throws {ApplianceError} session/weak-password with one entry per broken rule; session/already-claimed;
   *   session/credential-unusable; file/disk-full or file/unwritable, and then nothing has changed.
   */
  setFirstPassword(password: Secret): Promise<void>;
  /**
   * Replaces the password. Sessions name the credential they were made under, so all of them end with it.
   *
   * @throws {ApplianceError} session/weak-password, session/not-claimed, session/credential-unusable; file/disk-full or
   *   file/unwritable, and then the old password holds.
   */
  replacePassword(password: Secret): Promise<void>;
  /** @throws {ApplianceError} session/not-claimed, session/credential-unusable. */
  isPassword(password: Secret): Promise<boolean>;
  /** Finishes a claim that a crash cut off. Safe to call again. */
  finish(): Promise<void>;
}

/** Opens the claim over its two files. Reads them anew at each call, so that another process of the box is believed. */
export function createClaim(
  deps: Pick<Deps, "files" | "random" | "clock" | "log">,
  paths: Pick<StatePaths, "setupToken" | "adminCredential">,
): Claim {
  const hasher = createPasswordHasher(deps);
  const credential = (): Promise<CredentialState> => readCredential(deps.files, paths.adminCredential);
  const finish = async (): Promise<void> => {
    if ((await credential()).state !== "set") return;
    await deps.files.remove(paths.setupToken).catch((error: unknown) => {
      deps.log.warn("used setup token not removed", { error });
    });
  };
  return {
    credential,
    finish,
    isSetupToken: async (text) => {
      const bytes = await deps.files.read(paths.setupToken, { maxBytes: MAX_TOKEN_BYTES });
      const wanted = bytes === undefined ? "" : plain(new TextDecoder().decode(bytes));
      return wanted !== "" && isSameSecret(plain(text), wanted);
    },
    setFirstPassword: async (password) => {
      assertUnclaimed(await credential());
      assertStrong(password);
      const made = await hasher.make(password);
      const created = await deps.files.create(paths.adminCredential, `${JSON.stringify(made)}\n`, { mode: 0o600 });
      if (!created) throw alreadyClaimed();
      await finish();
    },
    replacePassword: async (password) => {
      const found = await credential();
      if (found.state === "unusable") throw found.problem;
      if (found.state === "none") throw notClaimed();
      assertStrong(password);
      const made = await hasher.make(password);
      await deps.files.write(paths.adminCredential, `${JSON.stringify(made)}\n`, { mode: 0o600 });
    },
    isPassword: async (password) => {
      const found = await credential();
      if (found.state === "unusable") throw found.problem;
      if (found.state === "none") throw notClaimed();
      return await hasher.matches(password, found.credential);
    },
  };
}

/** @throws {ApplianceError} session/already-claimed or session/credential-unusable: damage is no free seat. */
export function assertUnclaimed(found: CredentialState): void {
  if (found.state === "unusable") throw found.problem;
  if (found.state === "set") throw alreadyClaimed();
}

function assertStrong(password: Secret): void {
  const broken = brokenPasswordRules(password.reveal());
  if (broken.length === 0) return;
  throw new ApplianceError(
    "session/weak-password",
    `Cannot use this password: it breaks ${broken.length} rule${broken.length === 1 ? "" : "s"}, at least ${PASSWORD_MIN_LENGTH} characters of four kinds are wanted`,
    {
      hint: "Choose another password",
      details: { errors: broken.map((rule) => ({ field: "password", code: rule.code, detail: rule.text })) },
    },
  );
}

/** Tokens are typed from a console: spaces and hyphens do not count. */
function plain(token: string): string {
  return token.replace(/[\s-]/g, "");
}

function alreadyClaimed(): ApplianceError {
  return new ApplianceError("session/already-claimed", "Cannot claim the appliance: it has a management password", {
    hint: "Log in with that password",
  });
}

function notClaimed(): ApplianceError {
  return new ApplianceError("session/not-claimed", "Cannot log in: the appliance has no management password yet", {
    hint: "Open the setup address that the console of the box shows",
  });
}
