import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, type Model, type RunOptions } from "../../../index.ts";
import { Repetition } from "./repetition.ts";

/** Words, single digits, signs and runs of white space, about as fine as model tokens. */
const pieces = (text: string): string[] => text.match(/ ?\p{L}+| ?\d|\n *| *[^\p{L}\d\s]| +/gu) ?? [];

/** The number of tokens after which a loop is found in a text; undefined if there is no loop. */
function foundIn(text: string): number | undefined {
  const ids = new Map<string, number>();
  const repetition = new Repetition();
  const at = pieces(text).findIndex((piece) => {
    if (!ids.has(piece)) ids.set(piece, ids.size);
    return repetition.push(ids.get(piece)!, piece);
  });
  return at < 0 ? undefined : at + 1;
}

const sentence = (words: number): string =>
  Array.from({ length: words }, (_, i) => ` ${"abcdefgh"[i % 8]}${"x".repeat(i)}`).join("");

describe("a loop", () => {
  test.each([
    ["a word", " so", 1, 96],
    ["a phrase", " la femme au roi,", 5, 96],
    ["a sentence", sentence(20), 20, 240],
    ["a paragraph", sentence(64), 64, 768],
  ])("of %s is found once it is long enough", (_, pattern, period, length) => {
    expect(pieces(pattern)).toHaveLength(period);
    expect(foundIn(pattern.repeat(1000))).toBe(length);
  });

  test("is found after other text, and counted from where it begins", () => {
    const before = sentence(30);
    expect(foundIn(before + " la femme au roi,".repeat(100))).toBe(30 + 96);
  });

  test("that is left is none, and one with a gap begins anew", () => {
    const most = " la femme au roi,".repeat(19);
    expect(foundIn(`${most} and so it ended.`)).toBeUndefined();
    expect(foundIn(`${most} oh${" la femme au roi,".repeat(100)}`)).toBe(95 + 1 + 96);
  });

  test("of more than 64 tokens is not looked for", () => expect(foundIn(sentence(65).repeat(20))).toBeUndefined());

  test("of signs alone is found later than one of words", () => {
    expect(foundIn(" 0,".repeat(1000))).toBe(256);
    expect(foundIn(" o,".repeat(1000))).toBe(96);
  });
});

const times = (n: number, line: string): string => Array.from({ length: n }, () => line).join("");
const board = (size: number, cell: string): string =>
  `grid = [\n${times(size, `    [${Array.from({ length: size }, () => cell).join(", ")}],\n`)}]\n`;

test.each([
  ["laughter", times(60, " ha")],
  [
    "a refrain",
    times(
      4,
      "Row, row, row your boat\nGently down the stream\nMerrily, merrily, merrily, merrily\nLife is but a dream\n\n",
    ),
  ],
  ["lines of punishment", times(10, "I will not talk in class.\n")],
  ["a list", Array.from({ length: 100 }, (_, i) => `${i + 1}. An item that is like the others\n`).join("")],
  ["a list of links", times(11, '<li><a href="#">Link</a></li>\n')],
  ["numbers", Array.from({ length: 300 }, (_, i) => `${i + 1}, `).join("")],
  ["a fraction", `1/3 = 0.${"3".repeat(90)}`],
  ["a table", times(11, "| yes | no | no | yes |\n")],
  ["a table's rule", times(40, "---|")],
  ["a board of zeros", board(10, "0")],
  ["a board of words", board(9, "None")],
  ["an array of zeros", `[${times(64, "0, ")}]`],
  [
    "an identity matrix",
    Array.from(
      { length: 12 },
      (_, i) => `[${Array.from({ length: 12 }, (_, j) => Number(i === j)).join(", ")}]\n`,
    ).join(""),
  ],
  ["lines of code", times(10, 'print("Hello, World!")\n')],
  [
    "rules of a style sheet",
    Array.from({ length: 30 }, (_, i) => `.box-${i} {\n  margin: 0;\n  padding: 0;\n}\n`).join(""),
  ],
])("%s is no loop", (_, text) => {
  expect(pieces(text).length).toBeGreaterThan(55);
  expect(foundIn(text)).toBeUndefined();
});

describe("an answer that loops", () => {
  let model: Model;
  /** The model repeats one word forever. */
  let one: NonNullable<RunOptions["logitBias"]>;
  beforeAll(async () => {
    model = await load(fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url)));
    const { tokenizer } = model.language;
    const word = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).find((id) =>
      /^\p{L}+$/u.test(tokenizer.text(id)),
    );
    one = { [word!]: 100 };
  });
  afterAll(() => model.dispose());

  test("ends with the reason, and its receipt counts what was said", async () => {
    const { finishReason, tokens, receipt } = await model.complete("a", { maxTokens: 200, logitBias: one });
    expect(finishReason).toBe("repetition");
    expect(tokens).toHaveLength(96);
    expect(receipt.tokens.completion).toBe(96);
    expect(receipt).not.toHaveProperty("cut");
  });

  test("ends for its length, or by a stop string, if that is first", async () => {
    const { finishReason } = await model.complete("a", { maxTokens: 95, logitBias: one });
    expect(finishReason).toBe("length");
    const { text } = await model.complete("a", { maxTokens: 96, logitBias: one });
    const stopped = await model.complete("a", { maxTokens: 200, logitBias: one, stop: [text] });
    expect(stopped.finishReason).toBe("stop");
  });

  test("goes on if detection is off", async () => {
    const { finishReason, tokens } = await model.complete("a", {
      maxTokens: 120,
      logitBias: one,
      repetitionDetection: false,
    });
    expect([finishReason, tokens.length]).toEqual(["length", 120]);
  });

  test("ends alike in a batch", async () => {
    const [answer] = await model.completeAll([{ prompt: "a", maxTokens: 200, logitBias: one }]);
    expect([answer!.finishReason, answer!.tokens.length]).toEqual(["repetition", 96]);
  });
});
