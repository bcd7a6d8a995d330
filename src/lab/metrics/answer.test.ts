import { expect, test } from "vitest";
import { answerMatch } from "./answer.ts";

const scored = (answer: string, text: string) => {
  const item = { kind: "generation", id: "0", prompt: "?", stop: [], maxTokens: 1, answers: ["zzz", answer] } as const;
  return answerMatch.part(item, { text }, { text })[0];
};

test.each([
  ["4", "-4"],
  ["4", "−4"],
  ["-4", "4"],
  ["1.5", "15"],
  ["15", "1.5"],
  ["100", "10"],
  ["4", "four"],
  ["+", "-"],
  ["C++", "C#"],
  ["C++", "C"],
  ["?", ""],
  ["?", "!"],
  ["A", ""],
  ["A", "the"],
  ["A", "B"],
  ["4 m", "-4 m"],
  ["v1.5", "v15"],
  ["10:30", "1030"],
  ["f(x)", "fx"],
  ["f()", "f"],
  ["Paris", "Paris, France"],
])("where %j is right, %j is wrong", (answer, text) => expect(scored(answer, text)).toBe(0));

test.each([
  ["4", " 4 apples."],
  ["4", "4.0"],
  ["-4", "It is -4."],
  ["-4", "−4"],
  ["1200", "$1,200"],
  ["+4", "4"],
  [".5", "0.5"],
  ["Paris", " paris."],
  ["Eiffel Tower", 'The "Eiffel  Tower"!'],
  ["A", "(a)"],
  ["?", " ? "],
  ["C++", "c++."],
  ["1.5 m", "1.5 m"],
])("where %j is right, so is %j", (answer, text) => expect(scored(answer, text)).toBe(1));
