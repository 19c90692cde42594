/** The operator guide: one page per check code, made of the checks' own data. The file, the page and the command show the same. */
import { ApplianceError } from "../core/errors.ts";
import { json, type Route } from "../core/http.ts";
import { BOX_WORDS } from "./checks/guide-box.ts";
import { PART_WORDS } from "./checks/guide-parts.ts";
import type { GuideWords } from "./checks/guide-words.ts";
import { CHECKS } from "./checks/index.ts";
import type { CheckRule } from "./checks/rule.ts";
import { TIER_NAMES } from "./ladder.ts";

/** The page of one check. Fixed text of this version: safe to show to anybody. */
export interface GuidePage extends GuideWords, Pick<CheckRule, "code" | "tier" | "title" | "about" | "next"> {
  /** Whether trying again is safe and may help, as a sentence. */
  readonly again: string;
  /** Where it stands in the written guide: "operator-guide.md#fluxsource-not-ready". */
  readonly docs: string;
}

const WORDS: Readonly<Record<string, GuideWords | undefined>> = { ...BOX_WORDS, ...PART_WORDS };
const AGAIN = "Yes: trying again without a change does no harm, and may help.";
const NOT_AGAIN = "No: trying again without a change does not help, or is not safe. Take the next step first.";
const WAIT = "Nothing: it waits for something else, whose own check has the next step.";

/** All pages, root causes first, as the checks stand; a test holds one for every check. */
export const GUIDE: readonly GuidePage[] = CHECKS.flatMap((rule) => {
  const words = WORDS[rule.code];
  return words === undefined ? [] : [pageOf(rule, words)];
});

function pageOf({ code, tier, title, about, next, retrySafe }: CheckRule, words: GuideWords): GuidePage {
  const { means, look } = words;
  const again = retrySafe ? AGAIN : NOT_AGAIN;
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
export function guideLines(page: GuidePage): readonly GuideLine[] {
  return [
    { name: "What it checks", text: page.about },
    { name: "What it means for people", text: page.means },
    { name: "What to look at", text: page.look },
    { name: "What to do", text: page.next ?? WAIT },
    { name: "Is trying again safe", text: page.again },
    { name: "In order when", text: `${page.title}. Rung: ${TIER_NAMES[page.tier]}.` },
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
