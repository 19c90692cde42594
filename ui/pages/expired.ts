/**
 * What to do with signed metadata that has expired: wait for fresh, or take it until a day that the operator chooses.
 *
 * Shown where the box found it expired, and as long as a decision stands, so that it can be taken back.
 */
import { useState } from "preact/hooks";
import { formatMoment } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { Choice, type Option } from "../parts/choice.ts";
import { answers } from "../state/answers.ts";
import { boxNow } from "../state/clock.ts";
import { useStore } from "../state/store.ts";
import type { SetupConfig } from "../state/wire.ts";
import { text } from "../strings.ts";
import { change } from "./step-foot.ts";
import type { Check } from "./use-check.ts";

const DAY_MS = 86_400_000;
const DAYS = [7, 30] as const;

/** The question, or nothing where nothing has expired and nothing was decided. */
export function ExpiredDecision({
  config,
  check,
}: {
  readonly config: SetupConfig;
  readonly check: Check;
}): VNode | null {
  const { acceptExpired } = useStore(answers);
  const [now] = useState(boxNow);
  const error = check.errorOf("acceptExpired");
  const isExpired = config.channelsProblem?.code === "trust/expired" || error !== undefined;
  if (!isExpired && acceptExpired === "") return null;
  const options = optionsFrom(now);
  const kept = options.some(({ value }) => value === acceptExpired) ? [] : [keptOption(acceptExpired)];
  return html`<${Choice} name="acceptExpired" label=${text("expired.label")} value=${acceptExpired}
    options=${[...options, ...kept]} error=${error} onChange=${(value: string) => change("acceptExpired", value)} />`;
}

function optionsFrom(now: number): readonly Option[] {
  const wait = { value: "", label: text("expired.wait"), about: text("expired.wait-about") };
  return [wait, ...acceptedDays(now)];
}

/** For how long expired metadata may be taken, counted from the box's time in milliseconds; the shortest first. */
export function acceptedDays(now: number): readonly [Option, ...Option[]] {
  const optionOf = (n: number): Option => ({
    value: new Date(now + n * DAY_MS).toISOString(),
    label: text("expired.days", { n }),
    about: text("expired.days-about"),
  });
  const [first, ...more] = DAYS;
  return [optionOf(first), ...more.map(optionOf)];
}

/** A decision of before, by its instant. */
function keptOption(value: string): Option {
  return { value, label: text("expired.until", { moment: formatMoment(value) }) };
}
