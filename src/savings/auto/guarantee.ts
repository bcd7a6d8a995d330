import { z } from "zod";
import type { PromptForm } from "../../weights/tokenizer/index.ts";
import { lossNames } from "./certificate.ts";

const most = z.number().positive("expected more than 0");

/** The cost limit of an answer: milliseconds of work, without waiting, or FLOPs. */
export const budget = z
  .strictObject({
    ms: most.optional().describe("milliseconds of work, without waiting"),
    flops: most.optional().describe("FLOPs of prompt and answer"),
  })
  .refine(({ ms, flops }) => (ms ?? flops) !== undefined, "expected ms, flops or both")
  // The same check, as JSON Schema.
  .meta({ minProperties: 1 });
export type Budget = z.infer<typeof budget>;

/** The certificate behind an answer: its expected loss is at most `risk`, with probability `confidence`. */
export const guarantee = z.strictObject({
  risk: z.number(),
  confidence: z.number(),
  loss: z.enum(lossNames),
  certificate: z.string(),
});
type Guarantee = z.infer<typeof guarantee>;

/**
 * Reasons why an answer lacks a guarantee although a certificate was requested. The answer is then dense or, for
 * `degraded`, Swift's, because Super failed.
 */
export const unguaranteed = z.enum([
  "length",
  "max_tokens",
  "sampling",
  "images",
  "tools",
  "form",
  "adapter",
  "ids",
  "scored",
  "off",
  "degraded",
]);
export type UnguaranteedReason = z.infer<typeof unguaranteed>;

/** Request facts that a certificate depends on, apart from prompt length and images. */
export interface RequestFacts {
  /** The prompt's form; undefined for token ids. */
  readonly form: PromptForm | undefined;
  /** The sampling settings that have an effect. */
  readonly sampling: Readonly<Record<string, number>>;
  /** True if the answer is constrained by tools or a format. */
  readonly constrained: boolean;
  /** The name of the request's adapter, or the SHA-256 of the model's loaded adapter. */
  readonly adapter?: string | undefined;
  readonly maxTokens: number;
  /** True if the request has no token limit: the certificate's limit then applies. */
  readonly defaultLength?: boolean | undefined;
  /** Counts the prompt's tokens cached under a prompt state key; does not change the cache. */
  readonly cached?: ((key: string | undefined) => number) | undefined;
  /** The request's place in its conversation, for audits, which sample each conversation once. */
  readonly turn?: (() => Turn) | undefined;
  readonly budget?: Budget | undefined;
}

/** A request's place in its conversation. */
export interface Turn {
  /** Hashes of the prompts of the conversation's earlier answers, oldest first. */
  readonly earlier: readonly string[];
  /** The hash of the request's own prompt. */
  readonly prompt: string;
  /** The request's arrival time, the same for all its answers. */
  readonly arrived: number;
}

/** A cost in milliseconds and FLOPs. */
export interface Cost {
  readonly ms: number;
  readonly flops: number;
}

/** The recipe that a certificate chose for a request. */
export interface Choice {
  /** The recipe's savings with every option; empty for dense. */
  readonly recipe: readonly string[];
  readonly guarantee: Guarantee | null;
  /** The certificate's token limit, if any, for a request without a limit. */
  readonly maxTokens?: number | undefined;
  /** SHA-256 of the certificate; absent if no audit can bet against it. */
  readonly audited?: string;
  readonly reason?: UnguaranteedReason;
  readonly budget?: { readonly asked: Budget; readonly predicted: Cost };
}
