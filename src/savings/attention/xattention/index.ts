import { UserError } from "../../../util/errors.ts";
import type { PlanPart } from "../../plan.ts";
import type { Saving } from "../../saving.ts";
import type { SavingHost } from "../../seams.ts";
import { peculiarity, requirePlainAttention } from "../plain.ts";
import { type XattentionOptions, xattentionOptions } from "./options.ts";
import { BlockSparsePrefill } from "./prefill.ts";
import { loadProfile } from "./thresholds.ts";

/** Whether the options leave every causal block in place: the dense program then runs, to the last bit the same. */
const isNeutral = ({ mode, selection, threshold, thresholds, ratio }: XattentionOptions): boolean =>
  mode === "xattention" &&
  ((selection === "threshold" && thresholds === undefined && threshold >= 1) || (selection === "ratio" && ratio >= 1));

async function profileFor({ thresholds: path, stride, blockSize }: XattentionOptions, { decoder, sha256 }: SavingHost) {
  if (path === undefined) return undefined;
  if (sha256 === undefined)
    throw new UserError(
      `${path}: a profile belongs to a model by its hash, and a file of one's own has none on record; pull the model by name`,
    );
  const { layers, heads } = decoder.config;
  return (await loadProfile(path, { modelSha256: sha256, stride, blockSize, layers, heads })).thresholds;
}

/** Those of a profile, where one is named. @throws UserError when the model's attention, or the profile, is none for it */
function thresholdsFor(options: XattentionOptions, host: SavingHost) {
  requirePlainAttention("xattention", host.decoder);
  return profileFor(options, host);
}

/** XAttention (Xu et al., arXiv 2503.16428): block-sparse prefill, blocks scored along antidiagonals. */
export const xattention: Saving<XattentionOptions> = {
  name: "xattention",
  group: "attention",
  summary: "block-sparse prefill: blocks of keys are scored along antidiagonals, and the light ones skipped",
  needs: ["attention"],
  options: xattentionOptions,
  files: ["thresholds"],
  unsupported: peculiarity,
  seams: () => ["the attention"],
  async check(options, host) {
    if (!isNeutral(options)) await thresholdsFor(options, host);
  },
  async prepare(options, host) {
    if (isNeutral(options)) return undefined;
    const prefill = await BlockSparsePrefill.create(options, host, await thresholdsFor(options, host));
    const state = stateOf(options);
    const part: PlanPart = { attention: () => prefill, state: { prompt: state, answer: state } };
    return {
      plan: ({ prompt }) => (prompt >= options.minLengthForSparse ? part : undefined),
      [Symbol.dispose]: () => prefill[Symbol.dispose](),
    };
  },
};

/** A key of the states that sparse prompts leave behind. */
const stateOf = (options: XattentionOptions): string => `xattention ${JSON.stringify(options)}`;
