/**
 * The heading of a page. It takes the focus when the address changed, so the keyboard and the reader begin there.
 *
 * Before the page is painted: later, it would take the focus from a person who has begun to type.
 */
import { useLayoutEffect, useRef } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { usePlace } from "../state/router.ts";
import { text } from "../strings.ts";

export interface PageTitleProps {
  readonly title: string;
  /** The title itself changes while one looks at it, and is read out then. */
  readonly live?: boolean;
}

/** The one `h1` of a page; also the title of the tab. */
export function PageTitle({ title, live = false }: PageTitleProps): VNode {
  const place = usePlace();
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    document.title = text("app.title", { page: title });
  }, [title]);
  useLayoutEffect(() => {
    if (place.moved) heading.current?.focus({ preventScroll: true });
  }, [place.path]);
  return html`<h1 ref=${heading} tabindex="-1" aria-live=${live ? "polite" : undefined}>${title}</h1>`;
}
