import { z } from "zod";
import { choice, file, fraction, integer, optionalFraction, optionalInteger } from "../../option-schemas.ts";
import { stateFills } from "../../plan.ts";
import { fillHelp, fillLists, fromHelp } from "../checks.ts";

const rules = ["classifier", "softmax-max", "softmax-margin", "entropy", "saturation", "random"] as const;
export type Rule = (typeof rules)[number];

const classifiers = ["linear", "ffn", "mamba"] as const;

const fields = z.strictObject({
  rule: choice(rules)
    .default("classifier")
    .describe(
      "how an exit decides: a trained classifier; the exit's greatest probability, its margin or entropy; the similarity of the streams before and after the layer; or chance, as a control",
    ),
  classifier: choice(classifiers).default("linear").describe("with rule=classifier: the trained classifier to use"),
  threshold: optionalFraction().describe(
    "a token exits if the rule's score reaches this; 1: no token exits; default without risk: 0.9",
  ),
  risk: optionalFraction().describe(
    "expected share of tokens that differ from dense; picks the threshold that `savings calibrate dynamax` certified for it, so leave out threshold; needs rule=classifier and fill=recompute",
  ),
  fill: choice([...stateFills, "verify", ...fillLists])
    .optional()
    .describe(
      `${fillHelp}; verify checks tokens in one pass, so the text is dense's; default without risk: copy-hidden/copy-kv/ssm-partial`,
    ),
  from: optionalInteger(1).describe(fromHelp),
  rate: fraction(0.5).describe("with rule=random: the probability that a token exits"),
  seed: integer(0, 0).describe("seed of rule=random"),
  file: file().describe("folder of exits from `savings train dynamax`; default: the exits shipped for the model"),
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
        message: `expected ${value ?? "none"} with risk=${options.risk}, got ${options[name]}`,
      });
}

/** An exit decides by a threshold, either given or certified for a risk. */
export const dynamaxOptions = fields
  .superRefine(checkRisk)
  .transform(({ fill, threshold, risk, ...options }) =>
    risk === undefined
      ? { ...options, risk, fill: fill ?? ("copy-hidden/copy-kv/ssm-partial" as const), threshold: threshold ?? 0.9 }
      : { ...options, risk, fill: "recompute" as const },
  );

export type DynamaxOptions = z.infer<typeof dynamaxOptions>;

const share = z.number().gt(0).lt(1);

/** The options of threshold certification. */
export const calibrationOptions = z.strictObject({
  file: z.string().optional().describe("folder of exits (default: the exits shipped for the model)"),
  risk: z
    .array(z.coerce.number().pipe(share))
    .default([0.01, 0.02, 0.05, 0.1])
    .describe("expected shares of tokens that differ from dense; each gets a certified threshold"),
  confidence: share.default(0.95).describe("probability that each threshold keeps its risk"),
});
