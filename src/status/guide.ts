/** The operator guide: one page per check code, made of the checks' own data. The file, the page and the command show the same. */
import { ApplianceError } from "../core/errors.ts";
import { json, type Route } from "../core/http.ts";
import type { GuideCatalogue } from "./checks/guide-catalogue.ts";
import { ENGLISH_GUIDE } from "./checks/guide-english.ts";
import type { GuideWords } from "./checks/guide-words.ts";
import { CHECKS } from "./checks/index.ts";
import type { CheckRule } from "./checks/rule.ts";
import { TIER_NAMES } from "./ladder.ts";

/** The page of one check. Fixed text of this version: safe to show to anybody. */
export interface GuidePage
  extends Pick<GuideWords, "means" | "look">,
    Pick<CheckRule, "code" | "tier" | "title" | "about" | "next"> {
  /** Whether trying again is safe and may help, as a sentence. */
  readonly again: string;
  /** Where it stands in the written guide: "operator-guide.md#fluxsource-not-ready". */
  readonly docs: string;
}

/** All pages in one language, root causes first, as the checks stand. Pure. */
export function guideIn(catalogue: GuideCatalogue): readonly GuidePage[] {
  return CHECKS.map((rule) => pageOf(rule, catalogue.checks[rule.code], catalogue));
}

/** All pages; a test holds one for every check. */
export const GUIDE: readonly GuidePage[] = guideIn(ENGLISH_GUIDE);

function pageOf(rule: CheckRule, words: GuideWords, catalogue: GuideCatalogue): GuidePage {
  const { code, tier, retrySafe } = rule;
  const { title, about, next } = words.own ?? rule;
  const { means, look } = words;
  const again = retrySafe ? catalogue.again : catalogue.notAgain;
  // The anchor that GitHub makes of the heading: letters and hyphens stay, the slash goes.
  return { code, tier, title, about, means, look, next, again, docs: `operator-guide.md#${code.replace("/", "")}` };
}

/** The page of a check code, which may come from anybody; undefined when no check has it. Pure. */
export function guidePage(code: string): GuidePage | undefined {
  return GUIDE.find((page) => page.code === code);
}

/** What the API answers for one code: the page, and its titled paragraphs. */
export interface GuideAnswer extends GuidePage {
  readonly lines: readonly GuideLine[];
}

export interface GuideLine {
  readonly name: string;
  readonly text: string;
}

/** A page as titled paragraphs, in the order in which one reads them. Pure. */
export function guideLines(page: GuidePage, words: GuideCatalogue = ENGLISH_GUIDE): readonly GuideLine[] {
  const { titles } = words;
  const order = words.order.replace("{title}", page.title).replace("{tier}", TIER_NAMES[page.tier]);
  return [
    { name: titles.about, text: page.about },
    { name: titles.means, text: page.means },
    { name: titles.look, text: page.look },
    { name: titles.next, text: page.next ?? words.wait },
    { name: titles.again, text: page.again },
    { name: titles.order, text: order },
  ];
}

/** `GET /api/checks/:area/:name`: one page. From memory; 404 for a code that no check has. */
export function guideRoutes(): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/checks/:area/:name",
      access: "session",
      summary: "What a check code means: for people, what to look at, what to do, and whether trying again is safe",
      handle: async ({ params: { area = "", name = "" } }) => json(answerFor(`${area}/${name}`)),
    },
  ];
}

function answerFor(code: string): GuideAnswer {
  const page = guidePage(code);
  if (page !== undefined) return { ...page, lines: guideLines(page) };
  throw new ApplianceError(
    "http/not-found",
    `Cannot explain the check "${code.slice(0, 80)}": there is none, a code of the status is wanted`,
  );
}
