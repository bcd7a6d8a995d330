import { z } from "zod";
import { listOf } from "../../util/list-of.ts";

export const savingsField = listOf(z.string().max(500), { of: "savings", max: 8 });

/** Milliseconds. */
const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

const A_TIME = 'expected seconds, or a time such as "5m"';
/** The duration in Ollama's format. */
const keepAliveField = z
  .union([z.number(), z.string().regex(/^-?\d{1,9}(\.\d{1,9})?(ms|s|m|h)?$/, A_TIME)], A_TIME)
  .nullish()
  .describe(
    'time before an unused model is unloaded: seconds, or a duration such as "5m"; 0: at once, -1: never; default --keep-alive',
  );

/** Converts `keep_alive` to milliseconds; negative means for ever. */
export function keptFor(keepAlive: z.output<typeof keepAliveField>): number | undefined {
  if (keepAlive === undefined || keepAlive === null) return undefined;
  const [, unit = "s"] = /([a-z]+)$/.exec(String(keepAlive)) ?? [];
  const time = Number.parseFloat(String(keepAlive)) * UNITS[unit as keyof typeof UNITS];
  return time < 0 ? Number.POSITIVE_INFINITY : time;
}

/** The model and its savings: fields of every request. */
export const modelShape = {
  model: z
    .string("expected a model's name")
    .max(300)
    .default("")
    .describe(
      "a model (default: the server's only one, or ms-marco to rerank if it is served), or a registered recipe such as smollm2@fast; chats and completions also accept a pair such as smollm2>qwen2.5-coder@share=0.3, and rerank smollm2+first",
    ),
  savings: savingsField
    .nullish()
    .describe(
      "savings, each name or name:key=value,…; an empty list is dense; default: the API key's recipe for chats and completions, or else dense",
    ),
  keep_alive: keepAliveField,
};

/** The request fields that name the model and its savings. */
export type Naming = z.output<z.ZodObject<typeof modelShape>>;

/** The fields of requests that read texts without generating. */
export const readingShape = {
  ...modelShape,
  max_flops: z.number().positive().nullish().describe("maximum FLOPs; texts that cost more when dense are refused"),
  truncation: z
    .literal(true, "expected true: texts longer than the model's limit are cut")
    .nullish()
    .describe("the only accepted value"),
};
