import { z } from "zod";
import { diffusionField, fillingOf } from "../../engine/diffusion/fields.ts";
import type { RunOptions } from "../../index.ts";
import type { Limits } from "../limits.ts";
import { endsShape, limitOf } from "./ends.ts";
import { modelShape } from "./naming.ts";
import { formatOf, responseFormat } from "./response-format.ts";
import { samplingOf, samplingShape } from "./sampling.ts";

/** The fields that chats and completions share. */
export const generationShape = (limits: Limits) => ({
  ...modelShape,
  ...endsShape(limits),
  ...samplingShape,
  response_format: responseFormat,
  n: z.int().min(1).max(limits.maxChoices).nullish().describe("answers per prompt; default 1"),
  diffusion: diffusionField,
  cache_prompt: z
    .boolean()
    .nullish()
    .describe("false: run the whole prompt, without the cache of earlier requests; default true, as in llama.cpp"),
  stream: z.boolean().nullish().describe("send the answer piece by piece as server-sent events"),
  stream_options: z
    .object({
      include_usage: z.boolean().nullish().describe("send one last event with usage and receipt"),
    })
    .nullish()
    .describe("options of a stream"),
});

/** Returns a check that refuses `field` unless `other`, which it depends on, is true. */
export const needing =
  (field: string, other: string) =>
  (input: Readonly<Record<string, unknown>>, { addIssue }: z.RefinementCtx): void => {
    if (input[field] && !input[other]) addIssue({ code: "custom", path: [field], message: `requires ${other}: true` });
  };

type Fields = z.output<z.ZodObject<ReturnType<typeof generationShape>>>;

/** Converts a request to the library's options for its `choice`th answer; `usual`: the default maximum tokens. */
export const optionsOf = (fields: Fields, usual: number, choice: number): RunOptions => ({
  ...samplingOf(fields, choice),
  ...limitOf(fields, usual),
  ceiling: { flops: fields.max_flops ?? undefined },
  budget: fields.budget ?? undefined,
  stop: fields.stop ?? undefined,
  format: formatOf(fields.response_format),
  cachePrompt: fields.cache_prompt ?? undefined,
  diffusion: fields.diffusion ? fillingOf(fields.diffusion) : undefined,
});
