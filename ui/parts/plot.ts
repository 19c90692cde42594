/** A few hundred points as a line, with its range in words for those who cannot see it. */
import { html, type VNode } from "../html.ts";
import { text } from "../strings.ts";

export interface PlotProps {
  readonly label: string;
  readonly values: readonly number[];
  readonly show: (value: number) => string;
}

const WIDTH = 600;
const HEIGHT = 80;

/** `show` gives a value with its unit. At least one value is wanted. */
export function Plot({ label, values, show }: PlotProps): VNode {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const step = WIDTH / Math.max(1, values.length - 1);
  const range = high - low || 1;
  const points = values.map(
    (value, index) =>
      `${(index * step).toFixed(1)},${(HEIGHT - 2 - ((value - low) / range) * (HEIGHT - 4)).toFixed(1)}`,
  );
  const said = text("plot.range", { label, low: show(low), high: show(high) });
  return html`<figure>
    <svg class="plot" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${said}>
      <polyline points=${points.join(" ")} />
    </svg>
    <figcaption class="quiet">${said}</figcaption>
  </figure>`;
}
