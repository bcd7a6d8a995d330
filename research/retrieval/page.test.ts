import { expect, test } from "vitest";
import { disagreements } from "../common/lab-page.ts";
import { PAGE, retrievalTable, SECTION } from "./page.ts";

test("the page of indexes says what their results say: npx tsx research/retrieval/page.ts", () => {
  expect(disagreements([[PAGE, SECTION, retrievalTable()]], [])).toEqual([]);
});
