import { z } from "zod";
import type { PromptForm } from "../../weights/tokenizer/index.ts";
import { lossNames } from "./certificate.ts";

const most = z.number().positive("expected more than 0");

/** The most that an answer may cost: milliseconds of work, without waiting, or FLOPs. */
export const budget = z
  .strictObject({
    ms: most.optional().describe("milliseconds of work, without waiting"),
    flops: most.optional().describe("FLOPs of prompt and answer"),
  })
  .refine(({ ms, flops }) => (ms ?? flops) !== undefined, "expected ms, flops or both")
  // JSON Schema's way to say so.
  .meta({ minProperties: 1 });
export type Budget = z.infer<typeof budget>;

/** The certificate that an answer was given under: its expected loss is at most `risk`, with probability `confidence`. */
export const guarantee = z.strictObject({
  risk: z.number(),
  confidence: z.number(),
  loss: z.enum(lossNames),
  certificate: z.string(),
});
type Guarantee = z.infer<typeof guarantee>;

/** Why an answer has no guarantee though a certificate was asked for: it is dense's, or, `degraded`, a Swift's whose Super failed. */
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
export type Unguaranteed = z.infer<typeof unguaranteed>;

/** The facts of a request that a certificate depends on, besides its prompt's length and images. */
export interface RequestFacts {
  /** Undefined for token ids. */
  readonly form: PromptForm | undefined;
  /** Settings that tokens are drawn by, less those without an effect. */
  readonly sampling: Readonly<Record<string, number>>;
  /** True if the answer is constrained: tools, a format. */
  readonly constrained: boolean;
  /** The name of an adapter that the request chooses, or the SHA-256 of the one that the model was loaded with. */
  readonly adapter?: string | undefined;
  readonly maxTokens: number;
  /** True if the request named no limit of tokens: a certificate's holds for it. */
  readonly defaultLength?: boolean | undefined;
  /** Counts the prompt's tokens that a plan finds cached, by the key of its prompt's state, and leaves the cache as it is. */
  readonly cached?: ((key: string | undefined) => number) | undefined;
  /** For an audit, which draws each conversation once. */
  readonly turn?: (() => Turn) | undefined;
  readonly budget?: Budget | undefined;
}

/** A request's place in its conversation. */
export interface Turn {
  /** Hashes of the prompts to which the conversation's earlier answers were given, oldest first. */
  readonly earlier: readonly string[];
  /** Of its own prompt. */
  readonly prompt: string;
  /** When it came: all answers of one request have the same. */
  readonly arrived: number;
}

/** Milliseconds and FLOPs. */
export interface Cost {
  readonly ms: number;
  readonly flops: number;
}

/** The recipe that a certificate gave a request. */
export interface Choice {
  /** Its savings with every option; empty for dense. */
  readonly recipe: readonly string[];
  readonly guarantee: Guarantee | null;
  /** The limit of tokens for a request that named none, if the certificate has one. */
  readonly maxTokens?: number | undefined;
  /** SHA-256 of the certificate; absent if no audit can bet against it. */
  readonly audited?: string;
  readonly reason?: Unguaranteed;
  readonly budget?: { readonly asked: Budget; readonly predicted: Cost };
}
