import { type Child, childSide } from "./child.ts";
import { decodeRate } from "./decode.ts";
import type { Bench } from "./harness.ts";
import { prefillRate } from "./prefill.ts";
import { US } from "./sides.ts";
import { exported, TRANSFORMERS } from "./transformers.ts";

/** Both sides round SmolLM2's float32 weights to 4 bits. */
const against = (name: string, measure: (child: Child) => Promise<number>): Bench => ({
  name,
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides({ path }) {
    const common = { model: exported("smollm2", "model_q4.onnx", path), context: 1024, measure };
    return {
      ours: childSide({ name: US, script: "engine.ts", quant: "q4", ...common }),
      theirs: childSide({ name: TRANSFORMERS, script: "peer/transformersDecoder.ts", ...common }),
    };
  },
});

export const transformersDecode = against("transformers-js", decodeRate);
export const transformersPrefill = against("transformers-js-prefill", prefillRate);
