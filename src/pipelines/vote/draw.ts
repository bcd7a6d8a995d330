import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { amountsOf } from "../../ledger/together.ts";
import { WallTime } from "../../ledger/wall-time.ts";
import { Call } from "../call.ts";
import type { ModelPiece } from "../model.ts";
import { recipeOf } from "../pipeline.ts";
import type { TextRequest } from "../request.ts";
import type { Facts, Resources } from "../resources.ts";
import type { NamedText, ShownPiece } from "../text-pipeline.ts";
import { type AnswerCount, Ballot } from "./ballot.ts";
import type { VoteOptions } from "./options.ts";

/** The result of a vote. */
interface Vote {
  /** The number of answers that were sampled. */
  readonly drawn: number;
  /** The distinct answers, the most frequent first. */
  readonly answers: readonly AnswerCount[];
}

/** The role of the only model. */
const MODEL = "model";

/** A whole answer. */
interface WholeAnswer {
  readonly pieces: readonly ModelPiece[];
  readonly receipt: Receipt;
}

/**
 * Draws answers one by one and returns the most frequent (self-consistency, Wang et al., arXiv 2203.11171); it stops
 * once no other answer can win. Each draw has its own seed; later draws find their prompt in the cache.
 */
export async function* draw(
  named: NamedText,
  resources: Resources,
  request: TextRequest,
  options: VoteOptions,
): AsyncGenerator<ShownPiece, void> {
  const run = new Run(named, resources, request, options);
  try {
    yield* run.pieces();
  } finally {
    await run.close();
  }
}

class Run {
  readonly #time: WallTime;
  readonly #ballot: Ballot;
  readonly #receipts: Receipt[] = [];
  #call: Call<TextRequest["options"]> | undefined;
  #done = false;

  constructor(
    private readonly named: NamedText,
    private readonly resources: Resources,
    private readonly request: TextRequest,
    private readonly options: VoteOptions,
  ) {
    this.#time = new WallTime(request.arrived);
    this.#ballot = new Ballot(options);
  }

  async *pieces(): AsyncGenerator<ShownPiece, void> {
    const answers: WholeAnswer[] = [];
    while (!this.#ballot.decided) {
      const answer = await this.#draw(this.#ballot.drawn);
      answers.push(answer);
      this.#ballot.add(answer.pieces.map(({ text }) => text).join(""));
    }
    const { pieces, receipt: own } = answers[this.#ballot.leader]!;
    const shown: Vote = { drawn: this.#ballot.drawn, answers: this.#ballot.counts() };
    const receipt = this.#receipt(own, await this.resources.facts(MODEL));
    this.#done = true;
    for (const [i, piece] of pieces.entries()) {
      const last = i === pieces.length - 1;
      yield { ...piece, role: MODEL, ...((i === 0 || last) && { shown }), ...(last && { receipt }) };
    }
  }

  async #draw(draw: number): Promise<WholeAnswer> {
    const { prompt, options, signal, arrived } = this.request;
    const { temperature } = this.options;
    const seed = options.seed === undefined ? {} : { seed: options.seed + draw };
    const begins = draw === 0 ? { arrived } : {};
    const model = { generate: this.resources.generate.bind(this.resources, MODEL) };
    const terms = { ...options, ...seed, ...begins, temperature, modelSampling: false };
    this.#call = new Call(model, prompt, terms, signal, (receipt) => this.#receipts.push(receipt));
    const pieces: ModelPiece[] = [];
    for (let piece = await this.#call.next(); piece; piece = await this.#call.next()) pieces.push(piece);
    const receipt = pieces.at(-1)?.receipt;
    if (!receipt) throw new Error(`${this.named.name}: an answer ended without its receipt`);
    return { pieces, receipt };
  }

  /**
   * The dense run is a single answer with as many tokens as `own`, the winning answer. All other answers are
   * overhead.
   */
  #receipt(own: Receipt, facts: Facts): Receipt {
    const all = amountsOf(this.#receipts);
    const { cached } = this.#receipts[0]!.tokens;
    const dense = facts.price({ ...own.tokens, cached });
    const { spent } = all.flops;
    return makeReceipt({
      ...{ model: this.named.name, recipe: [recipeOf(this.named)], tokens: all.tokens },
      flops: { dense: dense.flops, spent, overhead: Math.max(0, spent - dense.flops) },
      bytes: { dense: dense.bytes, spent: all.bytes.spent },
      work: { ...own.work, calls: { [own.model]: { dense: 1, run: this.#receipts.length } } },
      ms: this.#time.times(this.#receipts),
      estimated: all.estimated,
      ...(own.cut && { cut: own.cut }),
    });
  }

  /** Ends all running calls; reports the cost of a request that was stopped, failed, or lost its reader. */
  async close(): Promise<void> {
    if (this.#done) return;
    await this.#call?.stop();
    const own = this.#receipts.at(-1);
    if (own) this.request.onStopped?.(this.#receipt(own, await this.resources.facts(MODEL)));
  }
}
