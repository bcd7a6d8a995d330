import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { checkedLines } from "./checked-lines.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-lines-"));
const file = join(folder, "lines.jsonl");
afterAll(() => rmSync(folder, { recursive: true }));

const line = z.object({ caption: z.string() });

test("values come in order, without empty lines", () => {
  writeFileSync(file, '{"caption":"a"}\n\n{"caption":"b","more":1}\n');
  expect(checkedLines(file, line)).toEqual([{ caption: "a" }, { caption: "b" }]);
});

test.each([
  ['{"caption":"a"}\n{"caption":', `${file}: line 2: this is not JSON`],
  ['\n{"caption":5}\n', `${file}: line 2: "caption": expected`],
])("%j is refused with its line", (text, message) => {
  writeFileSync(file, text);
  expect(() => checkedLines(file, line)).toThrow(message);
});
