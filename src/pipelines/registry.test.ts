import { expect, test } from "vitest";
import { load } from "../library/load.ts";
import { openTextPipeline } from "../library/text-pipeline.ts";
import { checkSpelling } from "./registry.ts";

test.each([
  ["m+vot", "m+vote"],
  ["m+vot@n=5", "m+vote@n=5"],
  ["org/m+firts", "org/m+first"],
])("%s is refused with the name that was meant", (name, meant) => {
  const [, end] = /\+(\w+)/.exec(name)!;
  expect(() => checkSpelling(name)).toThrow(`no model is called "${end}"; did you mean "${meant}"?`);
});

test.each(["m", "m+vote", "m+first@windowSize=5", "m+smollm2", "m+./vot", "m+vot@fast", "a>b"])("%s is not", (name) => {
  expect(() => checkSpelling(name)).not.toThrow();
});

test("before a model is loaded, where a model is expected and where a pipeline is", async () => {
  await expect(openTextPipeline("smollm2+vot")).rejects.toThrow('did you mean "smollm2+vote"?');
  await expect(load("smollm2+firs")).rejects.toThrow('did you mean "smollm2+first"?');
});
