import type { PlanPart } from "../../plan.ts";
import type { Saving } from "../../saving.ts";
import type { SavingHost } from "../../seams.ts";
import { requirePlainAttention, unsupportedAttention } from "../plain.ts";
import type { BlockChooser, ChooserContext } from "./chooser.ts";
import type { BlockSparseOptions } from "./options.ts";

/** A method of choosing blocks, with its saving's options and descriptions. */
export interface BlockSparseMethod<O extends BlockSparseOptions, L = undefined>
  extends Pick<Saving<O>, "name" | "summary" | "options" | "files" | "calibration" | "settings"> {
  /** True if a prompt of `prompt` tokens keeps all causal blocks, so that the dense program runs instead. */
  neutral(options: O, prompt: number): boolean;
  /** Reads files that the options name. @throws UserError if the files do not fit the model */
  read?(options: O, host: SavingHost): Promise<L>;
  chooser(options: O, context: ChooserContext, loaded: L | undefined): Promise<BlockChooser>;
}

/** A saving with block-sparse prefill. */
export function blockSparse<O extends BlockSparseOptions, L = undefined>(method: BlockSparseMethod<O, L>): Saving<O> {
  const { name, neutral, read, chooser, ...rest } = method;
  const checked = async (options: O, host: SavingHost): Promise<L | undefined> => {
    requirePlainAttention(name, host.decoder);
    return read?.(options, host);
  };
  const always = (options: O): boolean => neutral(options, Number.POSITIVE_INFINITY);
  return {
    ...{ name, group: "attention", needs: ["attention"], ...rest },
    unsupported: unsupportedAttention,
    leastPrompt: { option: "minLengthForSparse", tokens: ({ minLengthForSparse }) => minLengthForSparse },
    seams: () => ["the attention"],
    async check(options, host) {
      if (!always(options)) await checked(options, host);
    },
    async prepare(options, host) {
      if (always(options)) return undefined;
      const loaded = await checked(options, host);
      const { decoder } = host;
      const { BlockSparsePrefill } = await import("./prefill.ts");
      const prefill = await BlockSparsePrefill.create(options, decoder, (limits) =>
        chooser(options, { decoder, ...limits }, loaded),
      );
      // In all layers but the first, a sparse prompt's keys and values differ from a dense prompt's.
      const state = `${name} ${JSON.stringify(options)}`;
      const part: PlanPart = { attention: () => prefill, state: { prompt: state, answer: state } };
      return {
        plan: ({ prompt }) => (prompt >= options.minLengthForSparse && !neutral(options, prompt) ? part : undefined),
        [Symbol.dispose]: () => prefill[Symbol.dispose](),
      };
    },
  };
}
