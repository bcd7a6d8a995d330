import { UserError } from "../../../util/errors.ts";
import type { Arrange } from "../../data/samples.ts";

/**
 * Samples whose labels are the tokens at their own places. Answers are filled up to `length` tokens with the token that
 * ends texts; 0: they stay as they are.
 */
export const aligned =
  (length: number, end: number | undefined): Arrange =>
  (given, labelled) => {
    const answer = labelled.filter(Boolean).length;
    if (length > 0 && answer > length)
      throw new UserError(`the answer has ${answer} tokens with the one that ends it, expected at most ${length}`);
    const fill = Array.from({ length: Math.max(0, length - answer) }, () => endOf(end));
    const ids = Int32Array.from([...given, ...fill]);
    return { ids, labels: ids.map((id, i) => ((labelled[i] ?? true) ? id : -1)) };
  };

function endOf(end: number | undefined): number {
  if (end !== undefined) return end;
  throw new UserError("masked-diffusion: the tokenizer has no token that ends texts, expected answer=0", 2);
}
