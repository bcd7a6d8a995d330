import type { Graph } from "../../graph/index.ts";
import { prepare } from "../../models/programs/programs.ts";
import { openSeq2Seq } from "../../models/registry.ts";
import type { Seq2Seq } from "../../models/seq2seq/seq2seq.ts";
import { traceDecoded, traceSource } from "../../models/seq2seq/seq2seq-graphs.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { ContextExceeded, UserError } from "../../util/errors.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { denseBill } from "../bill/meter.ts";
import { type RequestTimes, Stopwatch } from "../bill/stopwatch.ts";
import { type CutReason, cutOf } from "../decode/answer/cut.ts";
import { Draft, type UnbilledPiece } from "../decode/answer/draft.ts";
import type { GenerateOptions, Piece, Usage } from "../decode/answer/generate.ts";
import { checkText } from "../decode/answer/sequence.ts";
import type { Terms } from "../decode/answer/terms.ts";
import type { Prompt } from "../decode/language-model.ts";
import { type ModelSampling, samplingOf } from "../decode/sampling/defaults.ts";
import { type ModelFiles, openAdapted } from "../file/adapters.ts";
import { beside } from "../file/beside.ts";
import { tokenizerOf } from "../file/tokenizer-of.ts";
import type { BaseModel } from "../kinds/kind.ts";
import { useDense } from "../kinds/seamless.ts";
import { Seq2SeqPrograms, Seq2SeqRun } from "./seq2seq-run.ts";

/** A loaded encoder–decoder: text to text. */
export class Seq2SeqModel implements BaseModel {
  readonly kind = "encoder with a decoder";

  private constructor(
    readonly source: ResolvedModel,
    readonly model: Seq2Seq,
    readonly tokenizer: Tokenizer,
    /** The sampling settings in the model's own files, if any. */
    readonly sampling: ModelSampling | undefined,
    private readonly programs: Seq2SeqPrograms,
  ) {}

  /** @throws UserError if its files need something unsupported */
  static async load(source: ResolvedModel, quant: Quant = "auto", files?: ModelFiles): Promise<Seq2SeqModel> {
    const { checkpoint, own } = files ?? (await openAdapted(source.path, {}));
    const { model, weights } = await openSeq2Seq(checkpoint, preparedFolder(source.path), quant, own);
    const sampling = samplingOf(checkpoint.config, source.sha256);
    const graphs = prepare(weights, () => [traceSource(model), traceDecoded(model)]);
    const compiling = Seq2SeqPrograms.compile(graphs as [Graph, Graph]);
    const [programs, tokenizer] = await beside(compiling, () => tokenizerOf(checkpoint, model.config.vocabulary));
    return new Seq2SeqModel(source, model, tokenizer, sampling, programs);
  }

  use(recipe: Recipe): Promise<undefined> {
    return useDense(this.source.name, recipe);
  }

  /** Ids of a text for the encoder. @throws UserError for a chat, for ids, and for a text that is longer than the context */
  encode(prompt: Prompt): number[] {
    if (typeof prompt !== "string")
      throw new UserError(
        `${this.source.name} turns one text into another; expected a text, not a chat's turns or ids`,
      );
    const { context } = this.model.config;
    checkText(prompt, this.tokenizer, context);
    const { ids } = this.tokenizer.input(prompt);
    if (ids.length > context)
      throw new ContextExceeded(`the text has ${ids.length} tokens, but ${this.source.name} reads at most ${context}`);
    return ids;
  }

  /** Yields a text's answer piece by piece; reads the text once. `signal` stops it within a step with an AbortError. */
  async *generate(
    text: readonly number[],
    options: GenerateOptions,
    {
      signal,
      onStopped,
      onBegun,
      deadline = Number.POSITIVE_INFINITY,
      ceiling = {},
      time = new Stopwatch(),
    }: Terms = {},
  ): AsyncGenerator<Piece> {
    time.enter("prefill");
    const { start, context } = this.model.config;
    using run = new Seq2SeqRun(this.model, this.programs, text);
    const most = Math.min(options.maxTokens, context, ceiling.tokens ?? Number.POSITIVE_INFINITY);
    const draft = new Draft(this.tokenizer, options, [start], most);
    let encoded = false;
    let ended = false;
    const usage = () => usageOf(run, encoded ? text.length : 0, draft.completion, time.total());
    try {
      onBegun?.();
      await run.encode();
      encoded = true;
      time.enter("decode");
      for (let token = start; !ended; token = draft.next!) {
        signal?.throwIfAborted();
        const logits = await run.step(token);
        const over = run.spent.flops >= (ceiling.flops ?? Number.POSITIVE_INFINITY);
        const late = performance.now() >= deadline;
        const { reason, ...piece }: UnbilledPiece = draft.take(logits, over || late);
        ended = reason !== undefined;
        const cut =
          reason === "length" ? endedBy(late, cutOf(ceiling, over, draft.completion, options.maxTokens)) : undefined;
        yield reason ? { ...piece, finish: { reason, usage: usage(), ...(cut && { cut }) } } : piece;
      }
    } finally {
      if (!ended) onStopped?.(usage());
    }
  }

  [Symbol.dispose](): void {
    this.programs[Symbol.dispose]();
  }
}

const endedBy = (late: boolean, cut: CutReason | undefined): CutReason | undefined =>
  late && (cut === undefined || cut === "context") ? "deadline" : cut;

function usageOf({ spent }: Seq2SeqRun, prompt: number, completion: number, times: RequestTimes): Usage {
  return {
    tokens: { prompt, cached: 0, completion },
    ...denseBill(spent),
    ...times,
  };
}
