/** Icons drawn for this product: 16 px grid, 2 px stroke, round ends. Decorative: the word stands beside them. */
import { classes, html, type VNode } from "../html.ts";

const PATHS = {
  check: "M3 8.5 6.5 12 13 4.5",
  alert: "M8 2.5v6.5M8 13v.01",
  dot: "M8 7.2a.8.8 0 1 0 0 1.6.8.8 0 1 0 0-1.6z",
  arc: "M8 2a6 6 0 1 1-6 6",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  close: "M4 4l8 8M12 4l-8 8",
  eye: "M1.5 8C4 3.5 12 3.5 14.5 8 12 12.5 4 12.5 1.5 8zM8 7.9v.2",
  hidden: "M2.5 6.5c2.5 4 8.5 4 11 0M4 9.5 2.5 11.5M12 9.5l1.5 2M8 10v2.5",
  away: "M6.5 3H3v10h10V9.5M9.5 2.5h4v4M13 3 7.5 8.5",
  copy: "M5.5 5.5h8v8h-8zM2.5 10.5v-8h8",
  down: "M8 2.5v7M4.5 6.5 8 10l3.5-3.5M3 13.5h10",
  moon: "M13 9.5A5.5 5.5 0 1 1 6.5 3 4.5 4.5 0 0 0 13 9.5z",
  out: "M6.5 3H3v10h3.5M10 5l3 3-3 3M12.5 8H7",
} as const;

export type IconName = keyof typeof PATHS;

/** Draws one icon; `spins` is for work in progress and rests with reduced motion. */
export function Icon({ name, spins = false }: { readonly name: IconName; readonly spins?: boolean }): VNode {
  return html`<svg class=${classes("icon", spins && "spin")} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} />
  </svg>`;
}
