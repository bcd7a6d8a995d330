import { z } from "zod";
import type { FinishReason } from "../../index.ts";

/** A finish reason in the API's terms: "stop" for an answer that a saving stopped. */
export const finishOf = (reason: FinishReason): Exclude<FinishReason, "stopped"> =>
  reason === "stopped" ? "stop" : reason;

/** A field beside `finish_reason` "stop". */
export const stoppedShape = {
  stopped: z.literal(true).optional().describe("true if a saving ended the answer before a token that it judged wrong"),
};

export const stoppedOf = (reason: FinishReason | undefined): { stopped?: true } =>
  reason === "stopped" ? { stopped: true } : {};
