import assert from "node:assert/strict";
import { test } from "node:test";
import { readPaxRecords } from "./pax.ts";

const read = (text: string) => readPaxRecords(new TextEncoder().encode(text));

test("records are read by their lengths, so that a value may look like a record", () => {
  assert.deepEqual(read("8 a=bcd\n"), new Map([["a", "bcd"]]));
  assert.deepEqual(read("17 a=x\n9 path=y\n\n"), new Map([["a", "x\n9 path=y\n"]]));
  assert.deepEqual(read("6 a=1\n6 a=2\n"), new Map([["a", "2"]]));
  assert.deepEqual(read(""), new Map());
});

for (const text of [
  "a=b\n",
  "9 a=b\n",
  "5 a=b\n",
  "6 a=b\u0000",
  "0 a=b\n",
  "06 a=b\n",
  "5 ab\n",
  "5 =b\n",
  "-6 a=b\n",
  "6",
  "6 ",
]) {
  test(`${JSON.stringify(text)} is damaged`, () => assert.equal(read(text), undefined));
}
