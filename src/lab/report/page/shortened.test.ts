import { expect, test } from "vitest";
import { shortened } from "./shortened.ts";

const words = (n: number) => "word ".repeat(n);

test("a text of moderate length is shown whole; a longer one loses its middle, with the number of characters", () => {
  expect(shortened(words(320)).text).toBe(words(320));
  expect(shortened(words(400)).text).toBe(
    `${words(80)}<em class="cut"> … 400 characters left out … </em>${words(240)}`,
  );
});

test("the surroundings of an answer remain, only whole numbers match, and adjacent places merge", () => {
  const text = `${words(300)}not 742 but 42 is it. ${words(300)}`;
  const shown = shortened(text, ["42", "not 742", "nowhere"]).text;
  expect(shown).toContain("word not 742 but 42 is it. word");
  expect(shown.match(/left out/g)).toHaveLength(2);
  const omitted = [...shown.matchAll(/([\d,]+) characters/g)].map(([, n]) => Number(n!.replace(",", "")));
  const shownLength = shown.replaceAll(/<em.*?<\/em>/g, "").length;
  expect(shownLength + omitted[0]! + omitted[1]!).toBe(text.length);
});

test("an answer at the beginning or the end changes nothing", () => {
  const text = `first word${" ".repeat(3000)}the last`;
  expect(shortened(text, ["first", "last"]).text).toBe(shortened(text).text);
});

test("of many answers the first few are shown", () => {
  const names = Array.from({ length: 20 }, (_, i) => `name${i}.`);
  const text = words(100) + names.map((name) => name + words(100)).join("") + words(300);
  expect(shortened(text, names).text.match(/name\d+\./g)).toEqual(names.slice(0, 8));
});
