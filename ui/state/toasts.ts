/** Short notes that come and go: what was copied, what began. Never the only place of a message that matters. */
import { createStore } from "./store.ts";

export interface Toast {
  readonly id: number;
  readonly message: string;
}

/** Long enough to be read twice. */
const SHOWN_MS = 5_000;
export const toasts = createStore<readonly Toast[]>([]);
let last = 0;

/** Shows a note for 5 s; three at most stand at once. */
export function showToast(message: string): void {
  last += 1;
  const id = last;
  toasts.update((now) => [...now.slice(-2), { id, message }]);
  setTimeout(() => toasts.update((now) => now.filter((toast) => toast.id !== id)), SHOWN_MS);
}
