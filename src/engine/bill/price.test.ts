import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { load, type Model, type ReadOptions, type Receipt } from "../../index.ts";

const at = (place: string) => fileURLToPath(new URL(place, import.meta.url));
const texts = ["a", "a man is eating food", "b c", "a man is eating food of the sort that takes long", "x y z w v u"];
type ReadPrompt = (model: Model, terms: ReadOptions) => Promise<{ receipt: Receipt }>;

test.each<[string, string, ReadPrompt]>([
  ["embeddings", "../fixtures/sentences", (model, terms) => model.embed(texts, terms)],
  ["cosines", "../fixtures/sentences", (model, terms) => model.relevance("food", texts, terms)],
  ["a cross-encoder", "../fixtures/cross-encoder", (model, terms) => model.relevance("food", texts, terms)],
  ["a classifier", "../fixtures/classifier", (model, terms) => model.classify(texts, terms)],
  [
    "likelihoods of labels",
    "../../models/fixtures/llama-tiny.gguf",
    (model, terms) => model.classify(texts, { ...terms, labels: ["good", "bad", "neither of them"] }),
  ],
  [
    "yes and no",
    "../../models/fixtures/llama-tiny.gguf",
    (model, terms) => model.relevance("food", texts.slice(0, 2), terms),
  ],
])("%s: a ceiling is compared with what is then billed, before anything runs", async (_, place, read) => {
  const { receipt } = await fresh(place, read, {});
  const { dense } = receipt.flops;
  await fresh(place, read, { ceiling: { flops: dense * (1 + 1e-9) } });
  const stopped: Receipt[] = [];
  const refused = fresh(place, read, { ceiling: { flops: dense * 0.999 }, onStopped: (r) => void stopped.push(r) });
  const [cost, most] = [dense, dense * 0.999].map((flops) => flops.toExponential(3));
  await expect(refused).rejects.toThrow(
    expect.objectContaining({
      name: "UserError",
      message: `given their lengths, the texts cost ${cost} FLOPs, and the ceiling is ${most}`,
    }),
  );
  expect(stopped).toEqual([]);
});

/** Runs a request with empty caches. */
async function fresh(place: string, read: ReadPrompt, terms: ReadOptions): Promise<{ receipt: Receipt }> {
  using model = await load(at(place));
  return await read(model, terms);
}
