/** The type of the guide in any language. */
import type { CheckCode } from "./check-code.ts";
import type { GuideWords } from "./guide-words.ts";

/** Every word of the guide in one language: another language is one file of this type. */
export interface GuideCatalogue {
  /** Titles of the paragraphs of a page, in the order in which one reads them. */
  readonly titles: Readonly<Record<"about" | "means" | "look" | "next" | "again" | "order", string>>;
  /** Whether trying again is safe and may help. */
  readonly again: string;
  readonly notAgain: string;
  /** The next step of a check that waits for another one. */
  readonly wait: string;
  /** What is so when nothing is wrong, and where it stands: holes {title} and {tier}. */
  readonly order: string;
  /** By check code: none may lack. */
  readonly checks: Readonly<Record<CheckCode, GuideWords>>;
}
