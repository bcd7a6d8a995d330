/** What may cut an answer, whose reason is then `length`: a ceiling on its FLOPs or its tokens, its deadline, or the closing of what ran it. */
export const cutReasons = ["flops", "tokens", "deadline", "closing"] as const;

export type CutReason = (typeof cutReasons)[number];

/** What a request may come to, whatever it asks for: FLOPs, passed by a step or a chunk of the prompt at most, and tokens of its answer. */
export interface Ceiling {
  readonly flops?: number | undefined;
  readonly tokens?: number | undefined;
}

/** The ceiling, if any, that ended an answer for its length: `over` that of FLOPs, or with fewer tokens than were asked for. */
export function cutOf({ tokens }: Ceiling, over: boolean, completion: number, asked: number): CutReason | undefined {
  if (over) return "flops";
  return completion === tokens && completion < asked ? "tokens" : undefined;
}
