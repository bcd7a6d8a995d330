import { embedSide } from "./embed-side.ts";
import type { Bench } from "./harness.ts";
import { realSentences } from "./sentences.ts";
import { US } from "./sides.ts";
import { exported, TRANSFORMERS } from "./transformers.ts";

/** Embeds 1,000 sentences in float32, against transformers.js with an ONNX export of the same weights. */
export const embed: Bench = {
  name: "embed",
  unit: "texts/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides({ path }) {
    const texts = realSentences(1000);
    const check = sameVectors();
    return {
      ours: embedSide(US, "encoder.ts", path, texts, check),
      theirs: embedSide(TRANSFORMERS, "peer/transformers.ts", exported("minilm", "model.onnx", path), texts, check),
    };
  },
};

/** Checks that all runs of both sides return the same last vector. */
function sameVectors(): (last: readonly number[]) => void {
  let first: readonly number[] | undefined;
  return (last) => {
    first ??= last;
    const cosine = last.reduce((sum, x, i) => sum + x * first![i]!, 0);
    if (!(Math.abs(cosine - 1) < 1e-5)) throw new Error(`the sides' vectors differ: their cosine is ${cosine}`);
  };
}
