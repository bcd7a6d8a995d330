import type { Model } from "../src/index.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";
import { timedPrefill } from "./own-prefill.ts";
import { bookTokens } from "./tokens.ts";

const PROMPT = 512;

const rate = async (model: Model) => PROMPT / (await timedPrefill(model, bookTokens(model, PROMPT))).seconds;

/** Compares a prompt of 512 tokens of real text with products in bytes with our own dense run. */
const inBytes = (name: string, recipe: string): Bench => ({
  name,
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  defaultForm: true,
  sides: ({ path }) => ({
    ours: ownSide(recipe, new OwnModel(path, [recipe]), rate),
    theirs: ownSide("modicum dense", new OwnModel(path), rate),
  }),
});

export const int8Prefill = inBytes("int8-prefill", "int8-prefill");
export const int8PrefillTwo = inBytes("int8-prefill-2", "int8-prefill:digits=2,rotation=0");
export const int8PrefillPlain = inBytes("int8-prefill-plain", "int8-prefill:rotation=0");
