import { expect, test } from "vitest";
import { documentsWith } from "./classify.testing.ts";
import { categoriesOf, isExact, isMaintenance } from "./documents.ts";

test.each([
  ...["Articles with short description", "All stub articles", "Living people", "1974 births", "2009 deaths"],
  ...["Wikipedia articles needing clarification", "Use dmy dates from May 2019", "Canadian ice hockey biography stubs"],
  ...["CS1 maint: archived copy", "Commons category link is on Wikidata", "Pages using infobox", "Webarchive template"],
])("%s sorts articles for their editors", (category) => {
  expect(isMaintenance(category)).toBe(true);
});

test.each(["People from Texas", "Ice hockey players", "Pagesetting", "1999 plays", "Birthstones", "Usage of data"])(
  "%s is about a topic",
  (category) => {
    expect(isMaintenance(category)).toBe(false);
  },
);

test("categories are in the documents' order, with repetitions", () => {
  const documents = documentsWith(["b", "Living people", " "], ["a", "b"], []);
  expect(categoriesOf(documents, false)).toEqual(["b", "Living people", "a", "b"]);
  expect(categoriesOf(documents, true)).toEqual(["b", "a", "b"]);
});

const words = (count: number): string => Array.from({ length: count }, (_, i) => `w${i}`).join(" ");

test.each([
  ["The  Text", { title: "T", text: "the text" }, true],
  ["T the text", { title: "T", text: "the text" }, true],
  [`${words(30)} and more`, { title: "T", text: words(30) }, true],
  ["short text and more", { title: "T", text: "short text" }, false],
  ["another", { title: "T", text: "" }, false],
])("%j and %j", (text, document, exact) => {
  expect(isExact(text, document)).toBe(exact);
});
