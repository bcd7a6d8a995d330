import { z } from "zod";
import { choice, file, fraction, integer, optionalFraction, optionalInteger } from "../../option-schemas.ts";
import { stateFills } from "../../plan.ts";
import { fillLists } from "../checks.ts";

const rules = ["classifier", "softmax-max", "softmax-margin", "entropy", "saturation", "random"] as const;
export type Rule = (typeof rules)[number];

const classifiers = ["linear", "ffn", "mamba"] as const;

const fields = z.strictObject({
  rule: choice(rules)
    .default("classifier")
    .describe(
      "how an exit decides: a trained classifier, the greatest probability, its margin or the entropy of the exit's own choice, the likeness of the streams around the layer, or chance, the control",
    ),
  classifier: choice(classifiers).default("linear").describe("which trained classifier decides with rule=classifier"),
  threshold: optionalFraction().describe(
    "a token leaves if the rule's number is at least this; 1: no token leaves; default, without risk: 0.9",
  ),
  risk: optionalFraction().describe(
    "in place of a threshold: the one that `savings calibrate dynamax` certified for this expected share of tokens that are not dense's; with rule=classifier and fill=recompute, on which it was certified",
  ),
  fill: choice([...stateFills, "verify", ...fillLists])
    .optional()
    .describe(
      "what deeper layers get of a token that left: the exit layer's keys and values (copy-kv), those computed from the stream at the exit (copy-hidden), their own once a later token goes deeper (recompute), nothing (mask), of a recurrent model states updated by the stream at the exit (ssm-partial) or left as they are (ssm-skip), or a check of the token itself, so that the text is dense's (verify); of a chain (with /): the first that the model can take; default, without risk: copy-hidden/copy-kv/ssm-partial",
    ),
  from: optionalInteger(1).describe("the first exit that is used, by the layers that have run; default: the first"),
  rate: fraction(0.5).describe("the probability that a token leaves at an exit, with rule=random"),
  seed: integer(0, 0).describe("seed of rule=random"),
  file: file().describe("folder of exits that `savings train dynamax` wrote; default: those shipped for the model"),
});

/** Options that a certified risk determines. */
const determined = { rule: "classifier", fill: "recompute", threshold: undefined, from: undefined } as const;

function checkRisk(options: z.infer<typeof fields>, context: z.RefinementCtx) {
  if (options.risk === undefined) return;
  for (const [name, value] of Object.entries(determined) as [keyof typeof determined, string | undefined][])
    if (options[name] !== undefined && options[name] !== value)
      context.addIssue({
        code: "custom",
        path: [name],
        message: `expected ${value ?? "none"} beside risk=${options.risk}, got ${options[name]}`,
      });
}

/** An exit decides by a threshold, or by the one that was certified for a risk. */
export const dynamaxOptions = fields
  .superRefine(checkRisk)
  .transform(({ fill, threshold, risk, ...options }) =>
    risk === undefined
      ? { ...options, risk, fill: fill ?? ("copy-hidden/copy-kv/ssm-partial" as const), threshold: threshold ?? 0.9 }
      : { ...options, risk, fill: "recompute" as const },
  );

export type DynamaxOptions = z.infer<typeof dynamaxOptions>;

const share = z.number().gt(0).lt(1);

/** The options of certifying thresholds. */
export const calibrationOptions = z.strictObject({
  file: z.string().optional().describe("folder of exits (default: those shipped for the model)"),
  risk: z
    .array(z.coerce.number().pipe(share))
    .default([0.01, 0.02, 0.05, 0.1])
    .describe("expected shares of tokens that are not dense's, to certify a threshold for each"),
  confidence: share.default(0.95).describe("probability with which each threshold keeps its risk"),
});
