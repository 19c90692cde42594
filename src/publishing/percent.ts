/** Progress of a copy as lines for people: one for each twentieth of the way. */
import type { Output } from "../cli/output.ts";
import { humanBytes } from "../core/quantity.ts";

/** Makes a teller: "Copied 120 MB of 1.9 GB (5%)". It says nothing twice. */
export function percentLines(out: Pick<Output, "progress">, verb: string): (done: number, total: number) => void {
  let shown = -1;
  return (done, total) => {
    const percent = total === 0 ? 100 : Math.floor((done / total) * 20) * 5;
    if (percent === shown) return;
    shown = percent;
    out.progress(`${verb} ${humanBytes(done)} of ${humanBytes(total)} (${percent}%)`);
  };
}
