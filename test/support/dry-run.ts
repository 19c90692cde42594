/** What a verb that publishes says of a dry run, by what it says of the real one: the same figures in other words. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/ is published$/m, " would be published"],
  [/^sent ([\d.]+ \w+)(?: at [\d.]+ \w+\/s)?:/m, "would send $1:"],
  [/ were there/, " are there"],
  [/ (blobs?) mounted/, " $1 would be mounted"],
  [/ of blobs read back$/m, " of blobs would be read back"],
  [/ of statements written:/, " of statements would be written:"],
  [/^(channel .*) is now /m, "$1 would become "],
  [/^the history is /m, "the history would be "],
];

export function asDryRun(text: string): string {
  return WORDS.reduce((said, [real, dry]) => said.replace(real, dry), text);
}
