import { expect, test } from "vitest";
import { makeScenes, type Question, type Scene } from "./scene.ts";
import { allWords, columnWords, digits, rowWords } from "./words.ts";

const scenes = makeScenes(12, 60, 5);
const cellAt = ({ cells, side }: Scene, row: number, column: number) => cells[row * (side + 1) + 1 + column]!;
const questionsOf = ({ questions }: Scene, kind: Question["kind"]) =>
  questions.filter((question) => question.kind === kind);

test("every word is in the vocabulary once", () => {
  expect(new Set(allWords).size).toBe(allWords.length);
  const known = new Set(allWords);
  const used = scenes.flatMap(({ cells, questions }) => [
    ...cells,
    ...questions.flatMap(({ words, answer }) => [...words, ...answer]),
  ]);
  expect(used.filter((word) => !known.has(word))).toEqual([]);
});

test("an object stands where the answer says", () => {
  for (const scene of scenes)
    for (const { words, answer, row } of questionsOf(scene, "where")) {
      const at = rowWords.indexOf(answer[0]!);
      expect(at).toBe(row);
      const cell = cellAt(scene, at, columnWords.indexOf(answer[1]!));
      expect(cell).toBe(words[1]);
    }
});

test("the strip is read from left to right, and nothing covers it", () => {
  for (const scene of scenes) {
    const [{ answer, row }] = questionsOf(scene, "read") as [Question];
    const line = Array.from({ length: scene.side }, (_, column) => cellAt(scene, row!, column));
    expect(line.filter((cell) => digits.includes(cell))).toEqual(answer);
  }
});

test("half of the questions about shapes are about absent ones; the ground is the most frequent blank colour", () => {
  const any = scenes.flatMap((scene) => questionsOf(scene, "any"));
  const share = any.filter(({ answer }) => answer[0] === "yes").length / any.length;
  expect(Math.abs(share - 0.5)).toBeLessThan(0.06);
  const right = scenes.filter((scene) => {
    const blanks = scene.cells.flatMap((cell) => /^(.+)blank.$/.exec(cell)?.[1] ?? []);
    const count = (colour: string) => blanks.filter((blank) => blank === colour).length;
    const [ground] = questionsOf(scene, "ground")[0]!.answer as [string];
    return blanks.every((colour) => count(colour) <= count(ground));
  });
  expect(right.length).toBe(scenes.length);
});

test("a seed determines the pictures, and a larger set begins with the same ones", () => {
  expect(makeScenes(6, 5, 1)).toEqual(makeScenes(6, 9, 1).slice(0, 5));
  expect(makeScenes(6, 1, 2)).not.toEqual(makeScenes(6, 1, 1));
});
