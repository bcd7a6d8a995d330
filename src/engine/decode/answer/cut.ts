/**
 * Causes that cut an answer with the reason `length`: a ceiling on FLOPs or tokens, the end of the model's context, its
 * deadline, or the shutdown of its scheduler.
 */
export const cutReasons = ["flops", "tokens", "context", "deadline", "closing"] as const;

export type CutReason = (typeof cutReasons)[number];

/**
 * The most that a request may cost, whatever it asks for: FLOPs, exceeded by at most one step or one chunk of the
 * prompt, and tokens of the answer.
 */
export interface Ceiling {
  readonly flops?: number | undefined;
  readonly tokens?: number | undefined;
}

/**
 * The ceiling, if any, that ended an answer for its length: `over`, that of FLOPs; otherwise one that allowed fewer
 * tokens than the request or the model's context.
 */
export function cutOf({ tokens }: Ceiling, over: boolean, completion: number, asked: number): CutReason | undefined {
  if (over) return "flops";
  if (completion >= asked) return undefined;
  return completion === tokens ? "tokens" : "context";
}
