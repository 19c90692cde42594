/** Light, dark, or as the system says; kept on this browser. */
import { createStore } from "./store.ts";

export type Theme = "auto" | "light" | "dark";
const KEY = "alga-theme";
const ORDER: readonly Theme[] = ["auto", "light", "dark"];

export const theme = createStore<Theme>("auto");

/** Reads the kept choice and applies it. Called once. */
export function startTheme(): void {
  const kept = localStorage.getItem(KEY);
  apply(kept === "light" || kept === "dark" ? kept : "auto");
}

/** Moves to the next choice: automatic, light, dark. */
export function switchTheme(): void {
  const next = ORDER[(ORDER.indexOf(theme.get()) + 1) % ORDER.length] ?? "auto";
  chooseTheme(next);
}

/** Keeps a choice on this browser; an unknown word is "auto". */
export function chooseTheme(choice: string): void {
  const known = ORDER.find((one) => one === choice) ?? "auto";
  localStorage.setItem(KEY, known);
  apply(known);
}

function apply(choice: Theme): void {
  document.documentElement.dataset.theme = choice;
  theme.set(choice);
}
