import { z } from "zod";
import type { Serving, TextPipeline } from "../text-pipeline.ts";
import { isPairName, parsePair, parseRouteOptions, parseRouter, routeOptions } from "./name.ts";
import type { PreparedRoute } from "./rule.ts";

const ONE_MODEL = "token ids belong to one model, but a pair has two; send text";

const serving: Serving = {
  noun: "pair",
  form: "A>B",
  noSavings: "savings apply to one model, and a pair has two; put registered recipes into its name, such as A@fast>B",
  alias(model) {
    const router = parseRouter(model);
    return router && `score=${router.score},t=${router.t}`;
  },
  refusal({ prompt, options }, { super: strong }) {
    const values = options as Readonly<Record<string, unknown>>;
    if (typeof prompt[0] === "number") return ["prompt", ONE_MODEL];
    if (values["logitBias"]) return ["logitBias", ONE_MODEL];
    if (values["promptLogprobs"] !== undefined)
      return ["promptLogprobs", "a pair returns no log-probabilities of prompts"];
    if (values["maxTokens"] === 0) return ["maxTokens", "expected at least 1 for a pair of models"];
    if (strong === undefined) return undefined;
    const elsewhere = `${strong} runs on another server; in a pair, it`;
    if (values["logprobs"] !== undefined) return ["logprobs", `${elsewhere} gives none`];
    const other = ["tools", "suffix", "infill", "mode"].find((option) => values[option]);
    return other === undefined ? undefined : [other, `${elsewhere} takes none`];
  },
};

export const route: TextPipeline<PreparedRoute> = {
  name: "route",
  group: "routing",
  summary: "A answers, B takes hard prompts: --model A>B@share=0.3",
  options: async () => routeOptions,
  naming: {
    is: isPairName,
    kind: "a pair of models",
    form: "A>B@share=0.3",
    takers: "`run` and openPipeline",
  },
  shows: {
    field: "route",
    schema: z
      .object({
        to: z.enum(["swift", "super"]).describe("which model answered: the pair's first or its second"),
        model: z.string(),
        score: z.number().nullable().describe("the first model's score; null if it has none"),
        threshold: z.number().nullable().describe("lower scores go to the second model; null if infinite"),
        degraded: z.literal(true).optional().describe("the second model was chosen and failed"),
      })
      .describe("for a pair of models: which one answered"),
  },
  listed: {
    field: "pair",
    schema: z
      .object({ swift: z.string(), super: z.string() })
      .describe("a pair's models: the one that answers first, and the one for hard prompts"),
  },
  certified: true,
  serving,
  parse(model) {
    const pair = parsePair(model);
    return pair && { roles: { swift: pair.swift, super: pair.super }, optionText: pair.optionText };
  },
  dense: "super",
  nameOf: ({ swift, super: strong }) => `${swift}>${strong}`,
  async prepare(named, resources) {
    const { prepared } = await import("./rule.ts");
    return prepared(named, parseRouteOptions(named.optionText), resources);
  },
  async answer(named, resources, request, prepared) {
    const { answer } = await import("./answer.ts");
    return answer(named, resources, request, prepared);
  },
};
