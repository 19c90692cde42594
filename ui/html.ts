/** Binds htm to preact: the one template tag of the UI. Templates hold no text, words come from `strings.ts`. */
import htm from "htm";
import { type ComponentChildren, h, type VNode } from "preact";

const bound = htm.bind(h);

/** Builds virtual nodes from a template. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): VNode {
  return bound(strings, ...values) as VNode;
}

export type Children = ComponentChildren;
export type { VNode };

/** Joins class names, leaving out what is false. */
export function classes(...names: readonly (string | false | undefined)[]): string {
  return names.filter((name) => typeof name === "string" && name !== "").join(" ");
}
