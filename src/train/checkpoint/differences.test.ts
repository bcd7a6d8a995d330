import { expect, test } from "vitest";
import { differences } from "./differences.ts";

test("lists each field that differs, with both values", () => {
  const before = { lr: 1e-3, schedule: { name: "cosine", warmup: 5 }, train: ["a", "b"], clip: null };
  const now = { lr: 1e-3, schedule: { name: "wsd", decay: 3, warmup: 5 }, train: ["b", "a"] };
  expect(differences(now, before)).toEqual([
    'schedule.name: "wsd", was "cosine"',
    "schedule.decay: 3, was not set",
    'train: ["b","a"], was ["a","b"]',
    "clip: not set, was null",
  ]);
});

test("lists none for equal values, whatever the order of fields; undefined counts as absent", () => {
  expect(differences({ a: 1, b: { c: 2 } }, { b: { c: 2, d: undefined }, a: 1 })).toEqual([]);
});
