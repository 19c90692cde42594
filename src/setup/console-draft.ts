/**
 * What was typed at the console and not sent yet, in a file that is root's alone: Ctrl-C, a lost line and a power cut lose nothing but
 * secrets, which are never in it. As the page keeps it in its tab.
 */
import { dirname, join } from "node:path/posix";
import { z } from "zod";
import { isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Files } from "../core/ports.ts";
import type { AnswerDocument } from "./console-client.ts";
import { WIZARD_QUESTIONS } from "./console-questions.ts";

const SCHEMA = "alga.appliance.console-draft/v1";
const MAX_BYTES = 64 * 1024;
const schema = z.object({ schema: z.literal(SCHEMA), answers: z.record(z.string(), z.string()) });

export interface WizardDraft {
  /** What was kept; empty where nothing was, or it cannot be read. */
  load(): Promise<AnswerDocument>;
  /** Keeps the answers without secrets. @returns false where this user cannot write it. */
  save(answers: AnswerDocument): Promise<boolean>;
  /** Forgets them. Safe to call again. */
  forget(): Promise<void>;
}

/** The draft of this box. Fields that are no questions, and secrets, are neither written nor read. */
export function openWizardDraft(files: Files, paths: Pick<StatePaths, "host">): WizardDraft {
  const path = join(paths.host, "console/setup-draft.json");
  const known = WIZARD_QUESTIONS.filter(({ secret }) => secret !== true).map(({ field }) => String(field));
  const shown = (answers: AnswerDocument): AnswerDocument =>
    Object.fromEntries(Object.entries(answers).filter(([field]) => known.includes(field)));
  return {
    load: async () => {
      try {
        const bytes = await files.read(path, { maxBytes: MAX_BYTES });
        if (bytes === undefined) return {};
        return shown(schema.parse(parseJson(bytes, { what: "the draft of the setup" })).answers);
      } catch (thrown) {
        if (isApplianceError(thrown) || thrown instanceof z.ZodError) return {};
        throw thrown;
      }
    },
    save: async (answers) => {
      try {
        await files.makeDirectory(dirname(path), { mode: 0o700 });
        await files.write(path, `${JSON.stringify({ schema: SCHEMA, answers: shown(answers) })}\n`, { mode: 0o600 });
        return true;
      } catch (thrown) {
        if (!isApplianceError(thrown)) throw thrown;
        return false;
      }
    },
    forget: async () => {
      await files.remove(path).catch((thrown: unknown) => {
        if (!isApplianceError(thrown)) throw thrown;
      });
    },
  };
}
