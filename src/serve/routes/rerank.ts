import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Model, Stoppable } from "../../index.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { billed } from "../generation/billed.ts";
import { modelShape } from "../generation/options.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import type { House } from "../house.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import type { Limits } from "../limits.ts";

const rerankInput = ({ maxPrompt, maxTexts }: Limits) => {
  const text = z.string().min(1).max(maxPrompt);
  const document = z.union([text, z.object({ text })], "expected a text, or { text }, not empty");
  return z.object({
    ...modelShape,
    query: text,
    documents: z
      .array(document.transform((d) => (typeof d === "string" ? d : d.text)))
      .min(1)
      .max(maxTexts),
    top_n: z.int().min(1).nullish().describe("how many of the best to give"),
    return_documents: z.boolean().nullish(),
  });
};

const result = z.object({
  index: z.int(),
  relevance_score: z.number(),
  document: z.object({ text: z.string() }).optional(),
});

/** `POST /v1/rerank`, in the shape that Cohere's (v1 and v2) and Jina's clients have in common. */
export const rerank = (house: House): Endpoint =>
  endpoint({
    method: "post",
    paths: ["/v1/rerank", "/rerank", "/v2/rerank"],
    summary: "Ranks documents by how relevant they are to a query: by a cross-encoder, or by the cosines of embeddings",
    scope: "infer",
    input: rerankInput(house.limits),
    output: z.object({
      id: z.string(),
      model: z.string(),
      results: z.array(result),
      meta: z.object({ api_version: z.object({ version: z.string() }) }),
      ...billedShape,
    }),
    async handle({ model: name, query, documents, savings, top_n: most, return_documents: back }, call) {
      const chosen = await house.catalogue.choose(name, savings ?? []);
      const { scores, receipt } = await billed(house, chosen, call, (model, stopping) =>
        scored(model, query, documents, stopping),
      );
      const results = scores
        .map((score, index) => ({
          index,
          relevance_score: score,
          ...(back && { document: { text: documents[index]! } }),
        }))
        .sort((a, b) => b.relevance_score - a.relevance_score)
        .slice(0, most ?? documents.length);
      const meta = { api_version: { version: "2" } };
      return { id: randomUUID(), model: name, results, meta, usage: usageOf(receipt), receipt };
    },
  });

async function scored(
  model: Model,
  query: string,
  documents: readonly string[],
  stopping: Stoppable,
): Promise<{ scores: number[]; receipt: Receipt }> {
  if (model.encoder.classifier) return model.relevance(query, documents, stopping);
  const { embeddings, receipt } = await model.embed([query, ...documents], stopping);
  const [asked, ...found] = embeddings;
  return { scores: found.map((vector) => cosine(asked!, vector)), receipt };
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (const [i, x] of a.entries()) {
    dot += x * b[i]!;
    aa += x * x;
    bb += b[i]! * b[i]!;
  }
  return dot / Math.sqrt(aa * bb || 1);
}
