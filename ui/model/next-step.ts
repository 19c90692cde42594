/** A next step as words and, where it ends in one, the command to type. Pure. */
import { asSentence } from "../format.ts";

export interface NextStep {
  /** A sentence; ends with a colon where a command follows. */
  readonly words: string;
  /** To be copied as it is: no period is added to it. */
  readonly command: string | undefined;
}

/** Commands that stand whole at the end of a step; a sentence about a command is no command. */
const COMMAND = /^(.*:) ((?:kubectl|resolvectl|alga-appliance) [^.]+|timedatectl set-ntp true|kubectl .+)$/s;

/** Splits a step of the box; text without a command becomes one sentence. */
export function nextStep(text: string): NextStep {
  const [, words, command] = COMMAND.exec(text.trim()) ?? [];
  return words === undefined ? { words: asSentence(text), command: undefined } : { words, command };
}
