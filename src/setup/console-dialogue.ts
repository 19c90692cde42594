/** A person at a dumb terminal: lines go out, answers come in. Everything said is plain and fits the screen. */
import { type Charset, plainLine, wrapLine } from "../cli/screen-text.ts";

/** What the wizard needs of a terminal. Asking throws internal/aborted when the person or the system ends it. */
export interface Dialogue {
  /** Says paragraphs; an empty one is an empty line. What is indented stays so. */
  say(...paragraphs: readonly string[]): void;
  /** The answer without blanks around it. */
  ask(question: string): Promise<string>;
  /** The same, and nothing of the answer is shown. Blanks are part of it. */
  askHidden(question: string): Promise<string>;
  /** Says lines a screen at a time. @returns once all are said, or the person has seen enough. */
  page(lines: readonly string[]): Promise<void>;
}

/** The terminal beneath: how it writes and asks, what it can show, and its size in characters. */
export interface DialoguePorts {
  readonly write: (line: string) => void;
  readonly askLine: (question: string) => Promise<string>;
  readonly askHidden: (question: string) => Promise<string>;
  readonly charset: Charset;
  readonly columns: number;
  readonly rows: number;
}

/** Makes the dialogue. Text of others is made plain, so that no name or message can move the cursor or hide a line. */
export function createDialogue({ write, askLine, askHidden, charset, columns, rows }: DialoguePorts): Dialogue {
  const shown = (paragraph: string): readonly string[] => {
    const indent = /^ */.exec(paragraph)?.[0] ?? "";
    return wrapLine(plainLine(paragraph, charset), columns - 1 - indent.length).map((line) =>
      `${indent}${line}`.trimEnd(),
    );
  };
  const question = (text: string): string => plainLine(text, charset);
  return {
    say: (...paragraphs) => {
      for (const line of paragraphs.flatMap(shown)) write(line);
    },
    ask: async (text) => (await askLine(question(text))).trim(),
    askHidden: (text) => askHidden(question(text)),
    page: async (lines) => {
      const all = lines.flatMap(shown);
      const height = Math.max(5, rows - 2);
      for (let at = 0; at < all.length; at += height) {
        for (const line of all.slice(at, at + height)) write(line);
        if (at + height >= all.length) return;
        if ((await askLine(`${all.length - at - height} more lines; Enter shows them, q stops`)).trim() === "q") return;
      }
    },
  };
}
