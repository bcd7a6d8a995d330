import { z } from "zod";
import { choice, file, fraction, integer, optionalInteger } from "../../option-schemas.ts";
import { stateFills } from "../../plan.ts";
import { fillLists } from "../checks.ts";

export const rules = ["classifier", "softmax-max", "softmax-margin", "entropy", "saturation", "random"] as const;
export type Rule = (typeof rules)[number];

export const classifiers = ["linear", "ffn", "mamba"] as const;

export const dynamaxOptions = z.strictObject({
  rule: choice(rules)
    .default("classifier")
    .describe(
      "how an exit decides: a trained classifier, the greatest probability, its margin or the entropy of the exit's own choice, the likeness of the streams around the layer, or chance, the control",
    ),
  classifier: choice(classifiers).default("linear").describe("which trained classifier decides with rule=classifier"),
  threshold: fraction(0.9).describe("a token leaves if the rule's number is at least this; 1: no token leaves"),
  fill: choice([...stateFills, "verify", ...fillLists])
    .default("copy-hidden/copy-kv/ssm-partial")
    .describe(
      "what deeper layers get of a token that left: the exit layer's keys and values (copy-kv), those computed from the stream at the exit (copy-hidden), their own once a later token goes deeper (recompute), nothing (mask), of a recurrent model states updated by the stream at the exit (ssm-partial) or left as they are (ssm-skip), or a check of the token itself, so that the text is dense's (verify); several joined by /: the first that the model can take",
    ),
  from: optionalInteger(1).describe("the first exit that is used, by the layers that have run; default: the first"),
  rate: fraction(0.5).describe("the probability that a token leaves at an exit, with rule=random"),
  seed: integer(0, 0).describe("seed of rule=random"),
  file: file().describe("folder of exits that `savings train dynamax` wrote; default: those shipped for the model"),
});

export type DynamaxOptions = z.infer<typeof dynamaxOptions>;
