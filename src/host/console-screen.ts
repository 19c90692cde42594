/**
 * Whether a text console still shows what was drawn on it: the kernel, a login and whoever types write there too.
 *
 * Only signs that every font of a console has in their places are compared (ASCII and blanks); the blocks of a code are not.
 */
import type { TextScreen } from "../core/ports.ts";

/** What a look at the screen finds. */
export interface ScreenLook {
  /** Absent: the screen cannot be read. */
  readonly size?: Pick<TextScreen, "rows" | "columns">;
  /** Something else stands there, and drawing again may help. */
  readonly isTouched: boolean;
}

/**
 * Watches a screen. A screen that shows the same wrong thing after it was drawn again is left alone until it shows something else: its
 * font has other places, or nobody can draw there.
 *
 * @param read The screen now; undefined when it cannot be read.
 */
export function createScreenWatch(
  read: () => Promise<TextScreen | undefined>,
): (drawn: readonly string[]) => Promise<ScreenLook> {
  let wrong: string | undefined;
  return async (drawn) => {
    const screen = await read();
    if (screen === undefined) return { isTouched: false };
    const { rows, columns } = screen;
    const signs = signsOf(screen);
    const isRight = drawn.length === 0 || shows(signs, drawn, screen);
    const isTouched = !isRight && signs !== wrong;
    wrong = isRight ? undefined : signs;
    return { size: { rows, columns }, isTouched };
  };
}

/** The signs without their colors, a letter each. */
function signsOf({ cells }: TextScreen): string {
  return Buffer.from(cells.filter((_byte, at) => at % 2 === 0)).toString("latin1");
}

function shows(signs: string, drawn: readonly string[], { rows, columns }: TextScreen): boolean {
  for (let row = 0; row < rows; row += 1) {
    // Reversed blanks are blanks.
    const wanted = (drawn[row] ?? "").replaceAll(/\u001b\[(?:7|27)m/g, "").padEnd(columns);
    const there = signs.slice(row * columns, (row + 1) * columns);
    for (let column = 0; column < columns; column += 1) {
      const sign = wanted[column] ?? " ";
      if (sign <= "~" && sign !== (there[column] === "\0" ? " " : there[column])) return false;
    }
  }
  return true;
}
