/** Answers of the mock box, as values. */

export interface MockAnswer {
  readonly status: number;
  readonly value: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type MockCallBody = Readonly<Record<string, string>>;

/** A problem document with its code. */
export function refusal(
  status: number,
  problem: { readonly code: string; readonly detail: string; readonly details?: object | undefined },
): MockAnswer {
  return {
    status,
    value: { type: "urn:mock", title: problem.detail, status, hint: "Look again", errors: [], ...problem },
  };
}
