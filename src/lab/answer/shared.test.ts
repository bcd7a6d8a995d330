import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resolveModel } from "../../weights/sources/index.ts";
import type { AnswerOf, Item } from "../item.ts";
import { openAnswerer } from "./answer.testing.ts";
import type { Answerer, Reply } from "./index.ts";

/** Worked examples in the form of few-shot prompts. */
const examples = (count: number) =>
  Array.from({ length: count }, (_, i) => `q ${i}: a cat and ${i + 2} dogs, how many? a: ${i + 3}\n`).join("");

/** Items of one task: their common prefix is longer than a prefill chunk, and not a multiple of one. */
function items(shots: number): Item[] {
  const generated = [3, 11].map((n): Item => {
    const prompt = `${examples(shots)}q 99: a cat and ${n} dogs ${"and a bird ".repeat(n % 7)}, how many? a:`;
    return { kind: "generation", id: `g${n}`, prompt, stop: ["\n"], maxTokens: 6, answers: [""] };
  });
  const chosen = [5, 8].map((n): Item => {
    const context = `${examples(shots)}q: ${n} dogs, how many? a:`;
    const choices = [" four", ` ${n} of them`].map((continuation) => ({ context, continuation }));
    return { kind: "choice", id: `c${n}`, gold: 0, choices };
  });
  return [generated[0]!, chosen[0]!, generated[1]!, chosen[1]!];
}

async function answered(answerer: Answerer, all: readonly Item[]): Promise<Map<string, Reply>> {
  const results = new Map<string, Reply>();
  for (const item of all) results.set(item.id, await answerer.plan(item)!());
  return results;
}

const billed = ({ shared: _, ...answered }: Reply) => answered;
const sharedOf = (of: ReadonlyMap<string, Reply>) => [...of.values()].map(({ shared = 0 }) => shared);

describe("on SmolLM2", () => {
  const shots = 13;
  let answerer: Answerer;
  let alone: Map<string, Reply>;
  const questions = items(shots);
  beforeAll(async () => {
    answerer = await openAnswerer({ source: await resolveModel("smollm2"), quant: "auto", truncate: undefined });
    alone = new Map();
    for (const item of questions) {
      // A short unrelated text runs in between, so each run starts without a shared prefix.
      await answerer.plan({ kind: "text", id: "t", text: "b c" })!();
      alone.set(item.id, await answerer.plan(item)!());
    }
  });
  afterAll(() => answerer[Symbol.dispose]());

  test("shared prefixes run once; each item has, to the bit, the same answer and bill as alone", async () => {
    expect(sharedOf(alone)).toEqual([0, 0, 0, 0]);
    for (const order of [questions, questions.toReversed()]) {
      await answerer.plan({ kind: "text", id: "t", text: "b c" })!();
      const got = await answered(answerer, order);
      expect(sharedOf(got)[0]).toBe(0);
      expect(
        sharedOf(got)
          .slice(1)
          .every((tokens) => tokens >= 256 && tokens % 256 === 0),
      ).toBe(true);
      for (const { id } of questions) expect(billed(got.get(id)!)).toEqual(billed(alone.get(id)!));
    }
  });

  test("side by side, each generation has its bill, and here also its text", async () => {
    const group = questions.filter(({ kind }) => kind === "generation");
    const got = await answerer.together!(group);
    const again = await answerer.together!(group);
    expect(again).toEqual(got);
    for (const [i, { id }] of group.entries()) {
      const { answer, flops } = alone.get(id)!;
      expect((got[i]!.answer as AnswerOf["generation"]).text).toBe((answer as AnswerOf["generation"]).text);
      expect(got[i]!.flops).toEqual(flops);
    }
  });
});
