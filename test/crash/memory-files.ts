/** The same memory files that a rehearsal uses. */
export * from "../../src/rehearsal/memory-files.ts";
