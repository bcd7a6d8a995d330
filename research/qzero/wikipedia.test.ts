import { expect, test } from "vitest";
import { articlesOf } from "./wikipedia.ts";

const words = (count: number) => Array.from({ length: count }, (_, i) => `word${i}`).join(" ");
const dump = `[[Short]]

CATEGORIES: Births

${words(19)}

==A heading of one word more==

[[No categories]]

${words(30)}

[[Whole]]

CATEGORIES: Films about death, 2010s films

${words(12)}

==Plot==

${words(10)}

[[Whole]]

CATEGORIES: Films about death, 2010s films

${words(12)}

==Plot==

${words(10)}
`;

test("articles with categories and 20 words without headings, each once", () => {
  expect(articlesOf(dump)).toEqual([
    {
      id: "0",
      title: "Whole",
      categories: ["Films about death", "2010s films"],
      text: `${words(12)}\n${words(10)}`,
    },
  ]);
});
