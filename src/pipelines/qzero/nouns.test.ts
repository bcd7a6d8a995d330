import { expect, test } from "vitest";
import { countContentWords, countNouns } from "./nouns.ts";

/**
 * Categories and sentences of English Wikipedia (CC BY-SA), drawn at random, with their common nouns marked by hand,
 * following the rules of Universal Dependencies: parts of names do not count.
 */
const marked: readonly (readonly [phrase: string, nouns: string])[] = [
  ["2009 in golf", "golf"],
  ["Idaho", ""],
  ["Sports in Palm Beach County", "sports"],
  ["2010 Southern Conference football season", "football season"],
  ["Subdistricts of Beijing", "subdistricts"],
  ["2019 plays", "plays"],
  ["Central High School (Philadelphia) alumni", "alumni"],
  ["German crime drama films", "crime drama films"],
  ["2023 in Panamanian sport", "sport"],
  ["21st-century Austrian politicians", "century politicians"],
  ["1854 births", "births"],
  ["2022 NASCAR Cup Series", ""],
  ["November 2022 sports events in Germany", "sports events"],
  ["Arizona", ""],
  ["Transportation in Iowa", "transportation"],
  ["Living people", "people"],
  ["Chemical compounds by element", "compounds element"],
  ["1999 births", "births"],
  ["Texas", ""],
  ["Canadian football wide receivers", "football receivers"],
  ["Political parties established in 2020", "parties"],
  ["Lists of television channels by content", "lists television channels content"],
  ["Academy of Fine Arts in Istanbul alumni", "alumni"],
  ["Turkish drama television series", "drama television series"],
  ["Texas House of Representatives districts", "districts"],
  ["Peoria Rivermen (AHL) players", "players"],
  ["Flora of Uganda", "flora"],
  ["Films about communism", "films communism"],
  ["2022 EPs", "eps"],
  ["Criminals from Kansas", "criminals"],
  ["German-language magazines", "language magazines"],
  ["Liverpool slave ships", "slave ships"],
  ["Law enforcement", "law enforcement"],
  ["Sustainability task force articles", "sustainability task force articles"],
  [
    "Mateusz Gniazdowski (born 1974 in Warsaw) is a Polish political scientist, since 2022 serving as an ambassador to the Czech Republic.",
    "scientist ambassador",
  ],
  ["The Chief Witness is a 1937 German crime drama film directed by Georg Jacoby.", "crime drama film"],
  [
    "Webster L. Marble (1854–1930) was an inventor, early outdoorsman, and prolific patent-holder who spent the majority of his life in Michigan's Upper Peninsula.",
    "inventor outdoorsman patent holder majority life",
  ],
  [
    "Hacking back is a technique by law enforcement agencies, to combat cybercrime by hacking the computing devices of the suspect.",
    "technique law enforcement agencies cybercrime computing devices suspect",
  ],
  [
    "Das Plakat was a design and art magazine published from 1910 to 1922 in Berlin, Weimar Germany.",
    "design art magazine",
  ],
];

const listed = (counts: ReadonlyMap<string, number>): string[] =>
  [...counts].flatMap(([word, count]) => Array<string>(count).fill(word));

/** How many of the marked nouns `count` finds, and how many nouns there are in each set. */
function compare(count: (text: string) => ReadonlyMap<string, number>) {
  const sums = { hits: 0, wanted: 0, found: 0 };
  for (const [phrase, nouns] of marked) {
    const wanted = nouns.split(" ").filter((noun) => noun !== "");
    const found = listed(count(phrase));
    sums.wanted += wanted.length;
    sums.found += found.length;
    sums.hits += wanted.filter((noun) => found.includes(noun)).length;
  }
  return { recall: sums.hits / sums.wanted, precision: sums.hits / sums.found };
}

test("71 nouns of categories and sentences: 70 found, and 10 false ones", () => {
  const { recall, precision } = compare(countNouns);
  expect(recall).toBeCloseTo(70 / 71, 6);
  expect(precision).toBeCloseTo(70 / 80, 6);
});

test("content words: all 71 nouns, and 83 other words", () => {
  const { recall, precision } = compare(countContentWords);
  expect(recall).toBe(1);
  expect(precision).toBeCloseTo(71 / 154, 6);
});

test("nouns are counted in lower case, by line", () => {
  expect([...countNouns("Association football clubs in Spain\nFootball venues\nLiving people")]).toEqual([
    ["association", 1],
    ["football", 2],
    ["clubs", 1],
    ["venues", 1],
    ["people", 1],
  ]);
});

test("a name that begins with two capitals stays a name", () => {
  expect([...countNouns("NASCAR Cup Series")]).toEqual([]);
});

test.each(["", " \n ", "1999 – 2004!"])("%j has no words", (text) => {
  expect([countNouns(text).size, countContentWords(text).size]).toEqual([0, 0]);
});
