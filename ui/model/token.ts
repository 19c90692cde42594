/** Takes the setup token out of what a person pasted. Pure. */

/** A whole address, quotes, blanks and line breaks are forgiven. */
export function tidyToken(typed: string): string {
  const fromAddress = /[?&]token=([^&\s]+)/.exec(typed)?.[1];
  if (fromAddress !== undefined) return decodeURIComponent(fromAddress);
  return typed.replace(/[\s"'`<>]/g, "");
}
