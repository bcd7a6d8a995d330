import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openLora } from "../../weights/adapter/lora.ts";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { parseFirst, withOptions } from "./options.ts";
import { optionsWith, trainedFor, trainedRerankers } from "./trained.ts";

const hash = "a".repeat(64);
const options = { windowSize: 10, stride: 5, maxPassageWords: 48 };
const file = { model: { name: "m", sha256: hash }, options, data: { name: "lists", sha256: hash, lists: 9 } };

function models(contents: object): string {
  const folder = tempFolder();
  mkdirSync(join(folder, "other"));
  mkdirSync(join(folder, "m", "first"), { recursive: true });
  writeFileSync(join(folder, "m", "first", "first.json"), JSON.stringify(contents));
  return folder;
}

const named = (name: string) => parseFirst(name)!;

describe("an adapter", () => {
  test("is found by its model's hash, and by no other's", () => {
    const all = trainedRerankers([models(file)]);
    const { options } = named("m+first");
    expect(trainedFor(hash, options, all)?.folder).toMatch(/m.first$/);
    expect(trainedFor("b".repeat(64), options, all)).toBeUndefined();
    expect(trainedFor(undefined, options, all)).toBeUndefined();
    expect(trainedFor(hash, named("m+first@adapter=none").options, all)).toBeUndefined();
  });

  test("sets the windows if none are set", () => {
    const [trained] = trainedRerankers([models(file)]);
    expect(optionsWith(named("m+first"), trained)).toMatchObject(options);
    expect(optionsWith(named("m+first"), undefined)).toMatchObject({ windowSize: 20, stride: 10 });
    const words = optionsWith(withOptions(named("m+first@maxPassageWords=7"), { rankEnd: 30 }), trained);
    expect(words).toMatchObject({ ...options, maxPassageWords: 7, rankEnd: 30 });
    expect(optionsWith(withOptions(named("m+first"), { windowSize: 12 }), trained)).toMatchObject({
      windowSize: 12,
      stride: 10,
    });
    expect(optionsWith(named("m+first@stride=7"), trained)).toMatchObject({ windowSize: 20, stride: 7 });
  });
});

test("a damaged file is reported in one sentence", () => {
  const damaged = models({ ...file, model: { name: "m", sha256: "short" } });
  expect(() => trainedRerankers([damaged])).toThrow(/first\.json.*expected 64 hexadecimal digits/);
});

test("SmolLM2's is shipped, and updates each matrix of its 30 layers", () => {
  const shipped = trainedRerankers().find(({ model }) => model.name === "smollm2")!;
  expect(optionsWith(named("smollm2+first"), shipped)).toMatchObject({ windowSize: 10, maxPassageWords: 24 });
  const ranks = [...openLora(shipped.folder).updates.values()].map(({ rank }) => rank);
  expect(ranks).toEqual(Array(30 * 7).fill(8));
});
