/** What the operator guide says of a check beyond its own sentences. */
export interface GuideWords {
  /** What it means for the people who use the product. */
  readonly means: string;
  /** Where to look, with commands. */
  readonly look: string;
  /** The check's own sentences in the language of the catalogue. Absent: those of the check, which are English. */
  readonly own?: { readonly title: string; readonly about: string; readonly next: string | null };
}
