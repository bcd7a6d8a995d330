import type { FinishReason, Piece, Usage } from "../../engine/decode/answer/generate.ts";
import type { Receipt, ReceiptParts } from "../../ledger/receipt.ts";
import type { Reply } from "./answerer.ts";

/** The part of a bill that results store. */
export const bill = ({ flops, bytes, work = {} }: Pick<Receipt, "bytes" | "work"> & Pick<ReceiptParts, "flops">) => ({
  flops: { dense: flops.dense, spent: flops.spent, overhead: flops.overhead },
  bytes,
  work,
});

/** The shared cost, if any. */
export const sharing = (shared: number): Pick<Reply, "shared"> => (shared > 0 ? { shared } : {});

/** A whole answer and its usage. */
export interface Whole extends Pick<Piece, "text" | "tokens"> {
  readonly reason: FinishReason;
  readonly usage: Usage;
}

export async function wholeOf(pieces: AsyncIterable<Piece>): Promise<Whole> {
  const tokens: Piece["tokens"][number][] = [];
  let text = "";
  for await (const piece of pieces) {
    text += piece.text;
    tokens.push(...piece.tokens);
    if (piece.finish) return { text, tokens, reason: piece.finish.reason, usage: piece.finish.usage };
  }
  throw new Error("an answer ended without its cost");
}

/** A complete generated text. */
export async function collected(pieces: AsyncIterable<Piece>): Promise<Reply> {
  const { text, usage } = await wholeOf(pieces);
  return { answer: { text }, ...bill(usage), ...sharing(usage.tokens.cached) };
}
