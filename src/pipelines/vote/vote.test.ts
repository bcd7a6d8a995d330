import { expect, test } from "vitest";
import type { CallTerms, ModelPiece } from "../model.ts";
import { textPipelineNamed } from "../registry.ts";
import type { CallOptions, TextRequest } from "../request.ts";
import type { Resources } from "../resources.ts";
import { Fake } from "../route/fake.testing.ts";
import type { NamedText, ShownPiece } from "../text-pipeline.ts";
import { Ballot } from "./ballot.ts";

/** The winner's text, and the number of answers drawn. */
function elected(answers: readonly string[], by: "text" | "number" = "text") {
  const ballot = new Ballot({ n: answers.length, by });
  while (!ballot.decided) ballot.add(answers[ballot.drawn]!);
  return [answers[ballot.leader], ballot.drawn];
}

test.each([
  [["a", "a", "a", "b", "b"], "a", 3],
  [["a", "b", "a", "b", "b"], "b", 5],
  [["a", "b", "a", "c", "b"], "a", 4],
  [["a", "a", "b", "c", "d"], "a", 4],
  [["a", "b", "c", "d", "e"], "a", 5],
  [["b", "a", "a", "b"], "b", 4],
])("of %j %s wins after %i answers", (answers, winner, drawn) => {
  expect(elected(answers)).toEqual([winner, drawn]);
});

test("an early end never changes the winner", () => {
  const words = ["a", "b", "c"];
  for (let code = 0; code < 3 ** 5; code++) {
    const answers = Array.from({ length: 5 }, (_, i) => words[Math.floor(code / 3 ** i) % 3]!);
    const counts = new Map(words.map((word) => [word, answers.filter((each) => each === word).length]));
    const most = Math.max(...counts.values());
    expect(elected(answers)[0]).toBe(answers.find((each) => counts.get(each) === most));
  }
});

test("answers are equal if they differ only in case, spaces and a last full stop, or, by number, if they have the same last number", () => {
  expect(elected(["It is  Paris.", "it is paris", "Rome"])).toEqual(["It is  Paris.", 2]);
  expect(elected(["7 + 5 = 12.", "so 1,200", "The sum is 12"], "number")).toEqual(["7 + 5 = 12.", 3]);
});

/** A vote with a model that answers from a script, and the options of its calls. */
function voting(name: string, script: readonly string[]) {
  const named = textPipelineNamed(name) as NamedText;
  const model: Fake = new Fake("model", () => ({ words: script[model.calls - 1]!.split(/(?<= )/) }));
  const calls: CallOptions[] = [];
  const resources: Pick<Resources, "generate" | "facts"> = {
    generate(_, prompt, options) {
      calls.push(options);
      return model.generate(prompt as string, options as CallTerms);
    },
    facts: async () => ({
      ...{ source: { name: "model" } as never, tokenizer: {} as never, context: 0, count: () => 0 },
      price: ({ completion }) => model.price("", { tokens: completion }),
    }),
  };
  async function* answer(request: Partial<TextRequest> = {}): AsyncGenerator<ShownPiece, void> {
    const whole = { prompt: "?", options: { seed: 7 }, ...request };
    yield* await named.pipeline.answer(named, resources as Resources, whole, undefined);
  }
  return { model, calls, answer };
}

async function all<T extends ModelPiece>(pieces: AsyncIterable<T>): Promise<T[]> {
  const results: T[] = [];
  for await (const piece of pieces) results.push(piece);
  return results;
}

test("returns the most frequent answer as first written, and stops once it has won", async () => {
  const { answer, calls } = voting("model+vote@n=5,temperature=0.9", ["no way", "it is", "It is.", "it  is", "no way"]);
  const pieces = await all(answer());
  expect(pieces.map(({ text }) => text).join("")).toBe("it is");
  expect(calls.map(({ seed, temperature }) => [seed, temperature])).toEqual([
    [7, 0.9],
    [8, 0.9],
    [9, 0.9],
    [10, 0.9],
  ]);
  const shown = {
    drawn: 4,
    answers: [
      { text: "it is", count: 3 },
      { text: "no way", count: 1 },
    ],
  };
  expect(pieces.map((piece) => piece.shown)).toEqual([shown, shown]);
});

test("dense is one answer of the model alone, and all others are overhead", async () => {
  const { answer } = voting("model+vote@n=3", ["it is", "it is"]);
  const receipt = (await all(answer())).at(-1)!.receipt!;
  expect(receipt).toMatchObject({ model: "model+vote", recipe: ["vote:n=3"], tokens: { prompt: 10, completion: 4 } });
  expect(receipt.flops).toMatchObject({ dense: 110, spent: 220, overhead: 110, saved: -1 });
  expect(receipt.work).toEqual({ calls: { model: { dense: 1, run: 2 } } });
});

test("a stopped request reports what was drawn", async () => {
  const { answer, model } = voting("model+vote@n=5", ["a b", "b a", "c d"]);
  model.fails = { at: 1, how: new Error("broken") };
  const stopped: number[] = [];
  await expect(all(answer({ onStopped: ({ flops }) => stopped.push(flops.spent) }))).rejects.toThrow("broken");
  expect(stopped).toEqual([100]);
});

test.each([
  ["m+vote@n=2", "vote: n: expected at least 3, since of two answers the first always wins"],
  ["m+vote@size=3", 'vote: there is no option "size"'],
  ["m+vote@by=words", 'vote: by: expected one of text, number, got "words"'],
])("%s is refused", (name, message) => {
  expect(() => textPipelineNamed(name)).toThrow(message);
});

test("a plus separates two models only if no pipeline's name follows it", () => {
  expect(textPipelineNamed("m+vote")).toMatchObject({ name: "m+vote", roles: { model: "m" }, optionText: "" });
  expect(textPipelineNamed("m+voter")).toMatchObject({ pipeline: { name: "plan" }, roles: { executor: "voter" } });
  expect(textPipelineNamed("m+first")).toBeUndefined();
});
