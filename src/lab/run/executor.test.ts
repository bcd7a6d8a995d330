import { afterEach, expect, test, vi } from "vitest";
import type { EncoderModel } from "../../engine/encoders/text/encoder-model.ts";
import { EncoderAnswerer } from "../answer/encoder.ts";
import type { Item } from "../item.ts";
import { answerGroup } from "./executor.ts";

afterEach(() => void vi.restoreAllMocks());

/** An encoder that takes a millisecond per text, and records the texts it embeds. */
function slow() {
  const read: string[] = [];
  vi.spyOn(performance, "now").mockImplementation(() => read.length);
  const one = { dense: 1, spent: 1 };
  const embed = async (texts: readonly string[]) => {
    read.push(...texts);
    return { answers: texts.map(() => Float32Array.of(1)), usage: { flops: one, bytes: one } };
  };
  return { read, answerer: new EncoderAnswerer({ embed } as unknown as EncoderModel) };
}

test("a corpus, and labels, are embedded once, outside all items' times", async () => {
  const { read, answerer } = slow();
  const documents = Array.from({ length: 9 }, (_, i) => ({ id: String(i), text: `d${i}` }));
  const labels = ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8"];
  const items: Item[] = [
    { kind: "ranking", id: "0", query: "q0", documents, relevance: {} },
    { kind: "ranking", id: "1", query: "q1", documents, relevance: {} },
    { kind: "label", id: "2", text: "t2", labels, gold: 0 },
  ];
  for (const item of items) expect((await answerGroup(answerer, [item]))[0]!.ms).toBe(1);
  expect(read).toEqual([...documents.map(({ text }) => text), "q0", "q1", ...labels, "t2"]);
});
