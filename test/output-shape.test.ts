import { describe, expect, test } from "vitest";
import { hasShape } from "./output-shape.ts";

describe("text", () => {
  test.each([
    ["one line", "one line"],
    ["took 12 ms", "took 1,234.5 ms"],
    ["a change of -0.5", "a change of 3e-4"],
    ["10m32s", "7m05s"],
    ["name    value\n", "name value"],
    ["  indented  \n", "indented"],
    ["…", ""],
    ["begin … end", "begin and more\nlines end"],
    ["first\n…\nlast", "first\nsecond\nlast"],
    ["a … b … c", "a x b y c"],
  ])("%j is the shape of %j", (shown, output) => {
    expect(hasShape("text", shown, output)).toBe(true);
  });

  test.each([
    ["one line", "another line"],
    ["one line", "one line\nand one more"],
    ["12 ms", "12 s"],
    ["twelve 12", "twelve"],
    ["begin … end", "begin"],
    ["ab … ba", "ab ba ab"],
    ["aba…ba", "aba"],
    ["a … b … c", "a x c"],
    ["a … b … b", "a x b"],
  ])("%j is not the shape of %j", (shown, output) => {
    expect(hasShape("text", shown, output)).toBe(false);
  });
});

describe("JSON", () => {
  test.each([
    ['{"a":1,"b":"x"}', '{ "b": "y",\n "a": 2.5 }'],
    ['{"a":[1,2]}', '{"a":[3]}'],
    ['[{"a":1},{"b":1}]', '[{"b":2},{"a":2},{"a":3}]'],
    ["[]", "[]"],
    ["null", "null"],
    ['{"a":1}\n{"b":true}\n', '{"a":2}\n{"b":false}'],
    ['{"a":1, …}', '{"a":2,"b":3}'],
    ['{ …, "a":1}', '{"b":3,"a":2}'],
    ['{\n  "a": [0.1, …],\n  …\n}', '{"a":[1,2,3],"b":{}}'],
    ['{"a":[…]}', '{"a":[1]}'],
    ['{"a":"cut…","b":"\\"…"}', '{"a":"whole","b":""}'],
  ])("%j is the shape of %j", (shown, output) => {
    expect(hasShape("json", shown, output)).toBe(true);
  });

  test.each([
    ['{"a":1}', '{"a":"1"}'],
    ['{"a":1}', '{"a":1,"b":2}'],
    ['{"a":1,"b":2}', '{"a":1}'],
    ['{"a":1,"b":2,…}', '{"a":1,"c":2}'],
    ['{"a":1}', '{"a":null}'],
    ['{"a":{}}', '{"a":[]}'],
    ["[1]", "[]"],
    ["[]", "[1]"],
    ["[1]", '[1,"2"]'],
    ['[1,"2"]', "[1]"],
    ['{"a":1}', "no JSON"],
    ['{"a":1}', ""],
    ['{"a":1}\n{"b":1}', '{"a":1}'],
  ])("%j is not the shape of %j", (shown, output) => {
    expect(hasShape("json", shown, output)).toBe(false);
  });

  test("what a page calls JSON has to be it", () => {
    expect(() => hasShape("json", "{a}", "{}")).toThrow("the page shows no JSON: {a}");
  });
});

test("an answer says anything, but something", () => {
  expect(hasShape("text answer", "Sleep rests.", "It heals.")).toBe(true);
  expect(hasShape("text answer", "Sleep rests.", " \n")).toBe(false);
});
