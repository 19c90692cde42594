/** Text for a console that may be a dumb one: nothing that a terminal obeys, no line longer than the screen. Pure. */

/** What a console can show. */
export type Charset = "utf8" | "ascii";

/** One line without anything that a terminal would obey; in ASCII where the console shows nothing else. */
export function plainLine(text: string, charset: Charset): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim();
  return charset === "utf8"
    ? line
    : line
        .normalize("NFKD")
        .replaceAll(/\p{M}/gu, "")
        .replaceAll(/[^\x20-\x7e]/g, "?");
}

/** Breaks at blanks; a word that is longer than the line is cut into pieces, because an address must be whole to be of use. */
export function wrapLine(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ").flatMap((one) => pieces(one, width))) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function pieces(word: string, width: number): readonly string[] {
  return Array.from({ length: Math.ceil(word.length / width) || 1 }, (_one, at) =>
    word.slice(at * width, (at + 1) * width),
  );
}
