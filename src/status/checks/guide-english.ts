/** The operator guide in English. */
import { BOX_WORDS } from "./guide-box.ts";
import type { GuideCatalogue } from "./guide-catalogue.ts";
import { PART_WORDS } from "./guide-parts.ts";

export const ENGLISH_GUIDE: GuideCatalogue = {
  titles: {
    about: "What it checks",
    means: "What it means for people",
    look: "What to look at",
    next: "What to do",
    again: "Is trying again safe",
    order: "In order when",
  },
  again: "Yes: trying again without a change does no harm, and may help.",
  notAgain: "No: trying again without a change does not help, or is not safe. Take the next step first.",
  wait: "Nothing: it waits for something else, whose own check has the next step.",
  order: "{title}. Rung: {tier}.",
  checks: { ...BOX_WORDS, ...PART_WORDS },
};
