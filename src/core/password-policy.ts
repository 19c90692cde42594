/**
 * The one password policy: for the management password of the box and for the first administrator of the tenant.
 *
 * Rules are data, so that the wizard can show them, the server can refuse by them, and both say the same. Sign marks are
 * all printable ASCII that is neither letter nor digit.
 */

/** One condition on a password. `holds` sees the password as typed and keeps nothing of it. */
export interface PasswordRule {
  readonly code: "too-short" | "too-long" | "no-lower" | "no-upper" | "no-digit" | "no-sign" | "control-character";
  /** What to write, as a sentence. */
  readonly text: string;
  readonly holds: (password: string) => boolean;
}

export const PASSWORD_MIN_LENGTH = 8;
/** Hashing cost is bounded by it. */
const PASSWORD_MAX_LENGTH = 128;

const PASSWORD_RULES: readonly PasswordRule[] = [
  {
    code: "too-short",
    text: `Use at least ${PASSWORD_MIN_LENGTH} characters.`,
    holds: (password) => [...password].length >= PASSWORD_MIN_LENGTH,
  },
  {
    code: "too-long",
    text: `Use at most ${PASSWORD_MAX_LENGTH} characters.`,
    holds: (password) => password.length <= PASSWORD_MAX_LENGTH,
  },
  { code: "no-lower", text: "Use at least one lower-case letter.", holds: (password) => /\p{Ll}/u.test(password) },
  { code: "no-upper", text: "Use at least one upper-case letter.", holds: (password) => /\p{Lu}/u.test(password) },
  { code: "no-digit", text: "Use at least one digit.", holds: (password) => /\d/.test(password) },
  {
    code: "no-sign",
    text: "Use at least one sign, such as ! or -.",
    holds: (password) => /[!-/:-@[-`{-~]/.test(password),
  },
  {
    code: "control-character",
    text: "Use no line breaks or other control characters.",
    holds: (password) => !/\p{Cc}/u.test(password),
  },
];

/** What the API tells pages about the policy. */
export const PASSWORD_POLICY = {
  minLength: PASSWORD_MIN_LENGTH,
  maxLength: PASSWORD_MAX_LENGTH,
  rules: PASSWORD_RULES.map((rule) => rule.text),
} as const;

/** The rules that a password breaks; empty when it may be used. The password is a secret: never put it in a message. */
export function brokenPasswordRules(password: string): readonly PasswordRule[] {
  return PASSWORD_RULES.filter((rule) => !rule.holds(password));
}
