/** What the operator guide says of a check beyond its own sentences. */
export interface GuideWords {
  /** What it means for the people who use the product. */
  readonly means: string;
  /** Where to look, with commands. */
  readonly look: string;
  /** The check's own sentences in the language of the catalogue. Absent: those of the check, which are English. */
  readonly own?: { readonly title: string; readonly about: string; readonly next: string | null };
}

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
  /** By check code. */
  readonly checks: Readonly<Record<string, GuideWords | undefined>>;
}
