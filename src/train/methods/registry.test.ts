import { expect, test } from "vitest";
import { optionTypes } from "../../util/named-options.ts";
import { withPresets } from "./complete.ts";
import { fromText, methods, parseMethod } from "./registry.ts";

/** All method options whose value is a number or a flag. */
const spellings = methods.flatMap(({ name, options }) =>
  [...optionTypes(options)].flatMap(([key, type]) =>
    type === "number" || type === "integer" || type === "boolean" ? [{ name, key, type, options }] : [],
  ),
);

test("every method with stages has numeric options, or no options of its own", () => {
  const names = new Set(spellings.map(({ name }) => name));
  expect(methods.filter(({ stages }) => stages).map(({ name }) => name)).toEqual(
    expect.arrayContaining(["bridge", "exit-heads", "guard", "localiser", "noise", "pairs"]),
  );
  expect(methods.filter(({ name, stages }) => stages && !names.has(name)).map(({ name }) => name)).toEqual(["noise"]);
});

test.each(spellings)("$name:$key has the same value from text", ({ key, type, options }) => {
  const texts = type === "boolean" ? ["true", "false"] : ["8", "0.5", "-1", "1e-3"];
  for (const text of texts) {
    const value = JSON.parse(text) as unknown;
    const issuesOf = (input: unknown) => {
      const { success, data, error } = options.safeParse({ [key]: input });
      // Missing required options.
      const own = error?.issues.filter(({ path }) => path[0] === key).map(({ message }) => message);
      return success ? (data as Record<string, unknown>)[key] : own;
    };
    expect(issuesOf(fromText(options, { [key]: text })[key])).toEqual(issuesOf(value));
  }
});

test("a method with stages can be written on one line", () => {
  const text = "exit-heads:saving=dynamax,rank=8,every=2,headRate=1e-2,deciderEpochs=0.5";
  expect(parseMethod(text).options).toMatchObject({ rank: 8, every: 2, headRate: 0.01, deciderEpochs: 0.5 });
  const named = { name: "guard", illegal: "a.jsonl", freezeRatio: 0.2, exactRatio: true, userInterval: 3 };
  expect(parseMethod("guard:illegal=a.jsonl,freezeRatio=0.2,exactRatio=true,userInterval=3")).toEqual(
    parseMethod(named),
  );
  expect(parseMethod("localiser:heldOut=b.jsonl,regions=4").options).toMatchObject({ heldOut: "b.jsonl", regions: 4 });
  expect(withPresets({ method: "pairs:temperature=0.05", data: "c.jsonl" })).toMatchObject({ batch: 32 });
});

test.each([
  ["exit-heads:saving=sec,rank=many", /^exit-heads: rank: .*expected (number|int)/],
  ["exit-heads:saving=sec,rank=", /^exit-heads: rank: .*expected (number|int)/],
  ["exit-heads:saving=sec,rank=0", /^exit-heads: rank: must be at least 1 \(got 0\)$/],
  ["moe:name=sparse", /^moe: there is no option "name"/],
  ["guard:illegal=a,exactRatio=yes", /^guard: exactRatio: .*expected boolean/],
])("%s is refused by the option's name", (text, message) => {
  expect(() => parseMethod(text)).toThrow(message);
});
