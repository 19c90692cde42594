/** Every code of a check, by the words of the guide: a check without words does not compile, and words without a check fail a test. */
import type { BOX_WORDS } from "./guide-box.ts";
import type { PART_WORDS } from "./guide-parts.ts";

export type CheckCode = keyof typeof BOX_WORDS | keyof typeof PART_WORDS;
