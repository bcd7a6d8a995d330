import { decoder } from "../architecture.ts";
import { slidingWindow } from "../config/window.ts";
import { gemmaNames, readGemma } from "./gemma.ts";

/** Gemma 2 (Gemma Team 2024): every other layer looks back over a window; attention scores and logits are capped. */
export const gemma2 = decoder("gemma2", {
  scheme: gemmaNames,
  defaults: { rms_norm_eps: 1e-6 },
  configure: (fields) => readGemma(fields, () => ({ window: slidingWindow(fields, (layer) => layer % 2 === 0) })),
});
