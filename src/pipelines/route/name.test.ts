import { describe, expect, test } from "vitest";
import { z } from "zod";
import { parsePair, parseRouter, routeOptions } from "./name.ts";

describe("the name of a pair", () => {
  test.each([
    ["smollm2>qwen2.5-coder", "smollm2", "qwen2.5-coder", ""],
    ["smollm2>qwen2.5-coder@share=0.3", "smollm2", "qwen2.5-coder", "share=0.3"],
    ["smollm2@fast>qwen2.5-coder@exact", "smollm2@fast", "qwen2.5-coder@exact", ""],
    ["smollm2@fast>qwen2.5-coder@exact@t=0.42", "smollm2@fast", "qwen2.5-coder@exact", "t=0.42"],
    ["smollm2>qwen2.5-coder@auto:mine", "smollm2", "qwen2.5-coder", "auto:mine"],
    ["smollm2@fast>hf:a/b@main:x.gguf@auto:mine", "smollm2@fast", "hf:a/b@main:x.gguf", "auto:mine"],
    ["hf:a/b@main:x.gguf > ./models/b.gguf@t=-inf", "hf:a/b@main:x.gguf", "./models/b.gguf", "t=-inf"],
  ])("%s", (text, swift, strong, optionText) => {
    expect(parsePair(text)).toMatchObject({ swift, super: strong, optionText, name: `${swift}>${strong}` });
  });

  test("one model's name is not a pair", () => {
    expect(parsePair("smollm2@fast")).toBeUndefined();
  });

  test("sets a share, a threshold and a score", () => {
    expect(parsePair("a>b@share=0.3")!.options).toMatchObject({ share: 0.3, score: "energy", temperature: 1 });
    expect(parsePair("a>b@t=inf")!.options.t).toBe(Number.POSITIVE_INFINITY);
    expect(parsePair("a>b@t=-1.5e1,score=margin,temperature=2,aggregate=q0.25,timeout=3")!.options).toMatchObject({
      ...{ t: -15, score: "margin", temperature: 2, aggregate: "q0.25", timeout: 3 },
    });
    expect(parsePair("a>b@auto:mine")!.options.auto).toBe("mine");
    expect(parsePair("a>b@labels=A|B| C,t=0")!.options.labels).toEqual(["A", "B", " C"]);
  });

  test.each([
    ["a>", /not a pair of models, expected SWIFT>SUPER/],
    [">b", /not a pair of models/],
    ["a>b>c", /not a pair of models/],
    ["a>a", /names one model twice/],
    ["a>a@share=0.5", /names one model twice/],
    ["a>b@share=2", /share: must be at most 1 \(got "2"\)/],
    ["a>b@share=much", /share: expected number/],
    ["a>b@t=", /route: t: expected a number, inf or -inf, got ""/],
    ["a>b@share=0.3,t=2", /expected a share or a threshold, not both/],
    ["a>b@shar=0.3", /there is no option "shar"; did you mean "share"/],
    ["a>b@share=0.3,share=0.4", /share is set twice/],
    ["a>b@share=0.3,", /expected key=value after the @, got ""/],
    ["a>b@auto=mine,t=1", /a certificate sets all options; expected no other option with auto/],
    ["a>b@t=1,score=vibes", /score: expected "energy", .* or "random", got "vibes"/],
    ["a>b@t=1,aggregate=q7", /aggregate: expected first, mean, min or a quantile/],
  ])("%s is refused", (text, sentence) => {
    expect(() => parsePair(text)).toThrow(sentence);
  });
});

test("a router's name", () => {
  expect(parseRouter("router-energy-0.42")).toMatchObject({ score: "energy", t: 0.42 });
  expect(parseRouter("router-energy-of-probs--1.5")).toMatchObject({ score: "energy-of-probs", t: -1.5 });
  expect(parseRouter("smollm2")).toBeUndefined();
  expect(() => parseRouter("router-vibes-1")).toThrow(/score/);
});

test("the options have a JSON schema", () => {
  const { properties } = z.toJSONSchema(routeOptions, { io: "input" });
  expect(Object.keys(properties!)).toEqual(Object.keys(routeOptions.shape));
});
