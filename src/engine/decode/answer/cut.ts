/**
 * Causes of an answer cut with the reason `length`: a ceiling on FLOPs or tokens, the end of the model's context, its
 * deadline, or its scheduler's shutdown.
 */
export const cutReasons = ["flops", "tokens", "context", "deadline", "closing"] as const;

export type CutReason = (typeof cutReasons)[number];

/**
 * A request's limits, whatever its options: on FLOPs (exceeded by at most one step or prompt chunk) and on answer
 * tokens.
 */
export interface Ceiling {
  readonly flops?: number | undefined;
  readonly tokens?: number | undefined;
}

/**
 * The ceiling, if any, that cut an answer: the FLOP ceiling if `over`; otherwise the ceiling that allowed fewer tokens
 * than the request or the model's context.
 */
export function cutOf(
  { tokens }: Ceiling,
  over: boolean,
  completion: number,
  maxTokens: number,
): CutReason | undefined {
  if (over) return "flops";
  if (completion >= maxTokens) return undefined;
  return completion === tokens ? "tokens" : "context";
}
