/** Says on every screen of the rehearsal that nothing is real, and lets a failure be played and mended. */
import { useEffect, useState } from "preact/hooks";
import { asSentence } from "../format.ts";
import { html, type VNode } from "../html.ts";
import type { ScenarioView } from "../state/wire.ts";
import { text } from "../strings.ts";
import { Button } from "./button.ts";

export interface RehearsalBarProps {
  /** Failures that can be played; empty before the login, where nothing may be changed. */
  readonly scenarios: readonly ScenarioView[];
  /** Name of the one that plays. */
  readonly playing: string | null;
  /** Plays one, or mends with null. */
  readonly onPlay: (name: string | null) => Promise<void>;
}

/** The message always; the control unfolds on demand, and stays open while a failure plays. */
export function RehearsalBar({ scenarios, playing, onPlay }: RehearsalBarProps): VNode {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (playing !== null) setOpen(true);
  }, [playing]);
  const shown = scenarios.length > 0 && (open || playing !== null);
  return html`<aside class="bar rehearsal" aria-label=${text("rehearsal.label")}>
    <span>${text("rehearsal.message")}</span>
    ${
      scenarios.length === 0 || playing !== null
        ? undefined
        : html`<${Button} kind="plain" expanded=${open} onClick=${() => setOpen(!open)}>${text("rehearsal.failures")}<//>`
    }
    ${shown ? html`<${Switchboard} scenarios=${scenarios} playing=${playing} onPlay=${onPlay} />` : undefined}
  </aside>`;
}

/** One list and one button, which stays in its place: it plays what is chosen, and mends what plays. */
function Switchboard({ scenarios, playing, onPlay }: RehearsalBarProps): VNode {
  const [chosen, setChosen] = useState(playing ?? scenarios[0]?.name ?? "");
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (playing !== null) setChosen(playing);
  }, [playing]);
  const mends = playing !== null && playing === chosen;
  const one = scenarios.find(({ name }) => name === chosen);
  const act = async (): Promise<void> => {
    setBusy(true);
    await onPlay(mends ? null : chosen);
    setBusy(false);
  };
  const options = scenarios.map(
    ({ name, title }) => html`<option value=${name} key=${name} selected=${name === chosen}>${title}</option>`,
  );
  return html`<span class="switchboard">
    <label class="hidden-visually" for="rehearsal-failure">${text("rehearsal.choose")}</label>
    <select class="input" id="rehearsal-failure"
      onChange=${(event: Event) => setChosen((event.currentTarget as HTMLSelectElement).value)}>${options}</select>
    <${Button} small busy=${busy} onClick=${() => void act()}>${mends ? text("rehearsal.mend") : text("rehearsal.play")}<//>
    </span>
    <p role="status">${one === undefined ? undefined : aboutOf(one, mends)}</p>`;
}

/** What will be met; while it plays, what mends it on a real box. */
function aboutOf({ about, mend }: ScenarioView, plays: boolean): string {
  return plays ? text("rehearsal.plays", { mend: asSentence(mend) }) : asSentence(about);
}
