/**
 * What a registry sends back of our own login must not reach a screen, a log or a document.
 *
 * A registry already knows the login that we send it. One that repeats it in an error, a header or a manifest would put it
 * into our messages; so every secret that went out is remembered and masked in what is thrown.
 */
import { ApplianceError } from "../core/errors.ts";
import type { Credentials } from "./credentials.ts";

export interface EchoGuard {
  /** Remembers the login that a request carries. */
  learn(request: Request): void;
  /** The text with every known secret masked. */
  mask(text: string): string;
  /** The same error with every known secret masked, its causes too; anything else as it is. */
  clean(thrown: unknown): unknown;
}

const MASK = "[redacted]";
/** Shorter texts stand in ordinary words, so masking them would hide the message and show the secret's length. */
const MIN_SECRET = 4;
/** Tokens are short-lived; the newest ones count. */
const MAX_SECRETS = 64;
/** Causes deeper than that are cut off. */
const MAX_DEPTH = 6;

/** Makes the guard of one registry. */
export function createEchoGuard(credentials: Credentials | undefined): EchoGuard {
  const secrets = new Set<string>();
  const add = (secret: string): void => {
    if (secret.length < MIN_SECRET) return;
    secrets.delete(secret);
    secrets.add(secret);
    for (const old of [...secrets].slice(0, -MAX_SECRETS)) secrets.delete(old);
  };
  return {
    learn: (request) => {
      const header = request.headers.get("authorization");
      if (header === null) return;
      add(header.slice(header.indexOf(" ") + 1));
      for (const secret of fixedSecrets(credentials)) add(secret);
    },
    mask: (text) => maskOf([...secrets])(text),
    clean: (thrown) => (secrets.size === 0 ? thrown : cleanError(thrown, maskOf([...secrets]), 0)),
  };
}

function fixedSecrets(credentials: Credentials | undefined): readonly string[] {
  if (credentials === undefined) return [];
  return [credentials.kind === "password" ? credentials.password.reveal() : credentials.token.reveal()];
}

type Mask = (text: string) => string;

/** Longest first, so that a secret inside another one leaves no rest. Also as a URL writes it. */
function maskOf(secrets: readonly string[]): Mask {
  const forms = [...new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]))];
  const sorted = forms.sort((a, b) => b.length - a.length);
  return (text) => sorted.reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}

function cleanError(thrown: unknown, mask: Mask, depth: number): unknown {
  if (!(thrown instanceof Error)) return typeof thrown === "string" ? mask(thrown) : thrown;
  const cause =
    thrown.cause === undefined || depth >= MAX_DEPTH ? undefined : cleanError(thrown.cause, mask, depth + 1);
  const isSame = mask(thrown.message) === thrown.message && cause === thrown.cause;
  if (!(thrown instanceof ApplianceError)) return isSame ? thrown : new Error(mask(thrown.message), { cause });
  const details = JSON.stringify(thrown.details);
  const hint = thrown.hint === undefined ? undefined : mask(thrown.hint);
  if (isSame && mask(details) === details && hint === thrown.hint) return thrown;
  return new ApplianceError(thrown.code, mask(thrown.message), {
    cause,
    ...(hint === undefined ? {} : { hint }),
    details: JSON.parse(mask(details)) as Record<string, unknown>,
  });
}
