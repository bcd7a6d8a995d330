import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { file, fraction, integer, integerBetween } from "../../option-schemas.ts";
import type { Saving } from "../../saving.ts";
import { unsupportedDrafts } from "../lookup/lookup.ts";

const options = z.strictObject({
  tokens: integerBetween(0, 4, 2).describe("maximum number of tokens per draft; 0 is dense"),
  confidence: fraction(0.4).describe(
    "a draft ends before the draft network's probability that all its tokens are right falls below this",
  ),
  match: integer(0, 3).describe("last tokens to find earlier in the text, as in `lookup`; 0: text is never quoted"),
  file: file().describe("folder of a draft network; default: the one shipped for the model"),
});
export type DraftOptions = z.infer<typeof options>;

/**
 * Drafts with a one-layer network that reads the model's last residual stream (EAGLE, arXiv 2401.15077), or quotes
 * repeated text, as in `lookup`. The model checks each draft in one pass, so the text equals a dense run's.
 */
export const draft: Saving<DraftOptions> = {
  name: "draft",
  group: "tokens",
  summary: "a small network drafts tokens, and one pass checks them",
  needs: ["tokens in", "head"],
  options,
  unsupported: unsupportedDrafts,
  files: ["file"],
  seams: () => ["the steps of an answer"],
  settings: () => ["confidence=0.6", "confidence=0.4"],
  async check({ file }, host) {
    const why = unsupportedDrafts(host.decoder);
    if (why !== undefined) throw new UserError(`draft does not support this model: it has ${why}`, 2);
    await (await import("./artefact.ts")).findDraft(file, host);
  },
  async prepare(options, host) {
    await draft.check(options, host);
    if (options.tokens === 0) return undefined;
    const { findDraft } = await import("./artefact.ts");
    const { DraftNetwork } = await import("./network.ts");
    const { NetworkDrafter } = await import("./drafter.ts");
    const network = await DraftNetwork.open(await findDraft(options.file, host), host.decoder);
    return {
      plan: () => ({ drafter: new NetworkDrafter(network, options) }),
      [Symbol.dispose]: () => network[Symbol.dispose](),
    };
  },
};
