import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { StopStrings } from "./stop.ts";
import { randomSplit } from "./tokenizer.testing.ts";

function run(stops: string[], parts: string[]) {
  const strings = new StopStrings(stops);
  const deltas = parts.map((part) => strings.push(part));
  return { deltas: [...deltas, strings.flush()], matched: strings.matched };
}

test("text before a stop string that lies across parts", () => {
  expect(run(["\nUser:"], ["Hello", "\n", "Us", "er", ": more", " text"])).toEqual({
    deltas: ["Hello", "", "", "", "", "", ""],
    matched: "\nUser:",
  });
});

test("only what may begin a stop string is held back, and no longer than it may", () => {
  expect(run(["abcd"], ["xxab", "c", "e", "abc"])).toEqual({
    deltas: ["xx", "", "abce", "", "abc"],
    matched: undefined,
  });
  expect(run(["aab"], ["aaa", "aab"])).toEqual({ deltas: ["a", "aa", ""], matched: "aab" });
});

test("without stop strings all text passes at once", () => {
  expect(run([], ["a", "", "b"])).toEqual({ deltas: ["a", "", "b", ""], matched: undefined });
});

test("the stop string that is complete first cuts, then the longest of those", () => {
  expect(run(["bcd", "c"], ["abcd"])).toEqual({ deltas: ["ab", ""], matched: "c" });
  expect(run(["c", "bc"], ["abc"])).toEqual({ deltas: ["a", ""], matched: "bc" });
});

test("an empty stop string is refused", () => {
  expect(() => new StopStrings(["a", ""])).toThrow("a stop string is empty, expected at least one character");
});

/** The expected result by definition, without streaming: tries every prefix, the shortest first. */
function cut(text: string, stops: string[]): string {
  for (let end = 0; end <= text.length; end++) {
    const lengths = stops.filter((stop) => text.slice(0, end).endsWith(stop)).map((stop) => stop.length);
    if (lengths.length > 0) return text.slice(0, end - Math.max(...lengths));
  }
  return text;
}

describe("random texts, split at random", () => {
  const next = seededRandom(7);
  const word = (letters: string, longest: number) =>
    Array.from({ length: 1 + Math.floor(next() * longest) }, () => letters[Math.floor(next() * letters.length)]).join(
      "",
    );

  test("one stop string cuts at its first index", () => {
    let stopped = 0;
    for (let i = 0; i < 2000; i++) {
      const [text, stop] = [word("abc", 40), word("abc", 5)];
      const at = text.indexOf(stop);
      const { deltas, matched } = run([stop], randomSplit(text, 4, next));
      expect(deltas.join("")).toBe(at < 0 ? text : text.slice(0, at));
      expect(matched).toBe(at < 0 ? undefined : stop);
      if (at >= 0) stopped++;
    }
    expect(stopped).toBeGreaterThan(500);
    expect(stopped).toBeLessThan(1500);
  });

  test("several cut where they would with nothing streamed", () => {
    for (let i = 0; i < 2000; i++) {
      const [text, stops] = [word("ab😀", 30), Array.from({ length: 3 }, () => word("ab😀", 6))];
      expect(run(stops, randomSplit(text, 3, next)).deltas.join("")).toBe(cut(text, stops));
    }
  });
});
