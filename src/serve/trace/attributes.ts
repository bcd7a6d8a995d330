import type { Attributes } from "@opentelemetry/api";
import type { Receipt } from "../../ledger/receipt.ts";
import type { JsonObject } from "../../weights/json.ts";
import type { TracedRequest } from "./trace.ts";

/** OpenTelemetry's operation names, for endpoints that have one. */
const operations: Readonly<Record<string, string>> = {
  "/v1/chat/completions": "chat",
  "/v1/completions": "text_completion",
  "/v1/responses": "chat",
  "/v1/embeddings": "embeddings",
  "/v1/embed": "embeddings",
  "/v2/embed": "embeddings",
};

function operationOf(route: string): string {
  return operations[route] ?? route.slice(route.lastIndexOf("/") + 1);
}

/** Fields that are recorded unchanged: numbers, never text. */
const numbers: Readonly<Record<string, string>> = {
  max_tokens: "gen_ai.request.max_tokens",
  max_completion_tokens: "gen_ai.request.max_tokens",
  max_output_tokens: "gen_ai.request.max_tokens",
  temperature: "gen_ai.request.temperature",
  top_p: "gen_ai.request.top_p",
  top_k: "gen_ai.request.top_k",
  frequency_penalty: "gen_ai.request.frequency_penalty",
  presence_penalty: "gen_ai.request.presence_penalty",
  seed: "gen_ai.request.seed",
  n: "gen_ai.request.choice.count",
};

/** The attributes that name a span. */
const NAMES = ["gen_ai.operation.name", "gen_ai.request.model"] as const;

/** Attributes that follow the semantic conventions for generative AI and HTTP. */
export function requestAttributes({ it, body }: TracedRequest): Attributes & Record<(typeof NAMES)[number], string> {
  const fields = body as JsonObject;
  const route = it.paths[0]!;
  const known = Object.entries(numbers).filter(([field]) => typeof fields[field] === "number");
  return {
    "gen_ai.operation.name": operationOf(route),
    "gen_ai.provider.name": "modicum",
    "gen_ai.request.model": String(fields["model"]),
    "http.request.method": it.method.toUpperCase(),
    "http.route": route,
    ...Object.fromEntries(known.map(([field, name]) => [name, fields[field] as number])),
  };
}

export const usageAttributes = ({ tokens }: Receipt): Attributes => ({
  "gen_ai.usage.input_tokens": tokens.prompt,
  "gen_ai.usage.cache_read.input_tokens": tokens.cached,
  "gen_ai.usage.output_tokens": tokens.completion,
});

/** Attributes of a whole request. */
export const billAttributes = (receipt: Receipt, reason: string): Attributes => ({
  ...usageAttributes(receipt),
  "gen_ai.response.id": receipt.id,
  "gen_ai.response.model": receipt.model,
  "gen_ai.response.finish_reasons": [reason],
  "modicum.recipe": receipt.recipe,
  "modicum.flops.dense": receipt.flops.dense,
  "modicum.flops.spent": receipt.flops.spent,
  "modicum.flops.overhead": receipt.flops.overhead,
  "modicum.flops.saved": receipt.flops.saved,
  "modicum.estimated": receipt.estimated,
  ...(receipt.server !== undefined && { "server.address": receipt.server }),
});
