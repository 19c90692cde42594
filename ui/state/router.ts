/** Addresses of the page: the history API, nothing else. Every page survives a reload and can be sent to a colleague. */
import { createStore, useStore } from "./store.ts";

export interface Place {
  readonly path: string;
  readonly query: URLSearchParams;
  /** False for the first page of a visit: the browser keeps its own focus then. */
  readonly moved: boolean;
}

const place = createStore<Place>(read(false));

function read(moved: boolean): Place {
  const { pathname, search } = globalThis.location ?? { pathname: "/", search: "" };
  return { path: pathname.replace(/\/+$/, "") || "/", query: new URLSearchParams(search), moved };
}

/** Follows the address. */
export function usePlace(): Place {
  return useStore(place);
}

/** Goes to an address of this page. Replaces the current one when the step should not be walked back through. */
export function navigate(to: string, options: { readonly replace?: boolean } = {}): void {
  if (to === location.pathname + location.search) return;
  if (options.replace === true) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  place.set(read(true));
  if (options.replace !== true) scrollTo(0, 0);
}

/** Listens to back and forward. Called once. */
export function startRouter(): void {
  addEventListener("popstate", () => place.set(read(true)));
}

/** Keeps plain clicks on a link inside the page; modified clicks belong to the browser. */
export function followLink(event: MouseEvent): void {
  const link = event.currentTarget;
  if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented) return;
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  navigate(link.pathname + link.search);
}
