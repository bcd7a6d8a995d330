import { expect, test } from "vitest";
import { disagreements } from "../tools/lab-results.ts";
import { PAGE, retrievalTable, SECTION } from "../tools/retrieval-results.ts";

test("the page of indexes says what their results say: npx tsx tools/retrieval-results.ts", () => {
  expect(disagreements([[PAGE, SECTION, retrievalTable()]], [])).toEqual([]);
});
