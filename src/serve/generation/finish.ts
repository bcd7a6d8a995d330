import type { FinishReason } from "../../index.ts";

/** The end of an answer by the API's names: one that a saving stopped has come to a stop. */
export const finishOf = (reason: FinishReason): Exclude<FinishReason, "stopped"> =>
  reason === "stopped" ? "stop" : reason;
