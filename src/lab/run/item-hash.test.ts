import { expect, test } from "vitest";
import type { Item } from "../item.ts";
import { itemHash } from "./item-hash.ts";

test("a question over other documents is another question; over equal documents it is the same", () => {
  const over = (...texts: string[]): Item => {
    const documents = texts.map((text, i) => ({ id: String(i), text }));
    return { kind: "ranking", id: "q", query: "?", documents, relevance: {} };
  };
  expect(itemHash(over("a", "b"))).toBe(itemHash(over("a", "b")));
  expect(itemHash(over("a", "c"))).not.toBe(itemHash(over("a", "b")));
});
