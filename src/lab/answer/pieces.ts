import type { Piece, Usage } from "../../engine/answer/generate.ts";
import type { Answered } from "./answerer.ts";

/** The part of a bill that results keep. */
export const bill = ({ flops, bytes }: Pick<Usage, "flops" | "bytes">): Omit<Answered, "answer"> => ({ flops, bytes });

/** The shared cost, if there is any. */
export const sharing = (shared: number): Pick<Answered, "shared"> => (shared > 0 ? { shared } : {});

/** A generated text, whole. */
export async function collected(pieces: AsyncIterable<Piece>): Promise<Answered> {
  let text = "";
  for await (const piece of pieces) {
    text += piece.text;
    if (piece.finish)
      return { answer: { text }, ...bill(piece.finish.usage), ...sharing(piece.finish.usage.tokens.cached) };
  }
  throw new Error("an answer ended without its bill");
}
