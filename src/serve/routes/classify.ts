import { z } from "zod";
import { listOf } from "../../util/list-of.ts";
import { billed } from "../generation/billed.ts";
import { readingShape } from "../generation/options.ts";
import { textsSchema } from "../generation/texts.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import type { House } from "../house.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";

const scores = z.record(z.string(), z.number());

/** `POST /v1/classify`. */
export const classify = (house: House): Endpoint =>
  endpoint({
    method: "post",
    paths: ["/v1/classify"],
    summary: "Scores texts by a classifier's labels, or by how likely a generating model finds labels that are given",
    scope: "infer",
    input: z.object({
      ...readingShape,
      input: textsSchema(house.limits, "what is classified: a text, or several, each by itself"),
      labels: listOf(z.string().min(1).max(300), { of: "labels", min: 1, max: 10_000 })
        .nullish()
        .describe("some of a classifier's labels; any, and needed, where the model generates"),
    }),
    example: { model: "smollm2", input: "The food was good.", labels: ["positive", "negative"] },
    output: z.object({
      object: z.literal("list"),
      data: z.array(z.object({ index: z.int(), label: z.string(), scores })),
      model: z.string(),
      ...billedShape,
    }),
    async handle(asked, call) {
      const { model: name, input, labels, savings } = asked;
      const chosen = await house.catalogue.choose(name, savings ?? []);
      const { results, receipt } = await billed(house, chosen, { ...call, asked }, (model, terms) =>
        model.classify(input, { ...terms, ...(labels && { labels }) }),
      );
      const data = results.map((result, index) => ({ index, ...result }));
      return { object: "list", data, model: name, usage: usageOf(receipt), receipt };
    },
  });
