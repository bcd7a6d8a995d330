import { type Shape, shapeOfFile } from "../../engine/bill/shape.ts";
import type { Prompt } from "../../engine/decode/language-model.ts";
import type { Model, RunOptions } from "../../index.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { heldShare, priceOfAnswer } from "../../library/dense-price.ts";
import { generateBy } from "../../library/text-pipeline.ts";
import type { CalledModel, CallTerms, ModelPiece, PricedAnswer } from "../../pipelines/model.ts";
import type { AnyPrompt } from "../../pipelines/resources.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import { guessedTokens, requestSizeOf } from "../fleet/request-size.ts";
import type { Call } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import { kindOfServed, type ModelChoice } from "../models/served.ts";
import { checkForm, leaseFor, type ServerContext } from "../server-context.ts";

/** A budget of FLOPs that all of an answer's calls share. */
export class Purse {
  #spent = 0;

  constructor(private readonly most: number | undefined) {}

  spend({ flops }: Receipt): void {
    this.#spent += flops.spent;
  }

  get left(): number | undefined {
    return this.most && Math.max(1, this.most - this.#spent);
  }
}

/** One of a pipeline's local models, leased from the pool while a call to it runs. */
export class PooledModel implements CalledModel<RunOptions> {
  constructor(
    private readonly context: ServerContext,
    private readonly chosen: ModelChoice,
    private readonly purse: Purse,
    private readonly call: Call,
    /** Called while the model is leased. */
    private readonly onHeld?: (model: Model) => void,
  ) {}

  async *generate(prompt: AnyPrompt, options: RunOptions & CallTerms): AsyncGenerator<ModelPiece, void> {
    const last = yield* this.#run(prompt, options);
    // The lease ends before the last piece, since the consumer may never request another.
    if (last) yield last;
  }

  async *#run(prompt: AnyPrompt, options: RunOptions & CallTerms): AsyncGenerator<ModelPiece, ModelPiece | undefined> {
    const { context, chosen, call, purse } = this;
    const { arrived = performance.now() } = options;
    using lease = await leaseFor(context, chosen, { ...call, signal: options.signal ?? call.signal });
    this.onHeld?.(lease.model);
    if (typeof prompt !== "function") checkForm(context, chosen, lease.model, { prompt, options });
    const onStopped = (receipt: Receipt) => {
      purse.spend(receipt);
      options.onStopped?.(receipt);
    };
    const ceiling = { ...options.ceiling, flops: purse.left };
    const terms = { ...options, arrived, onStopped, ceiling, save: chosen.recipe };
    let last: ModelPiece | undefined;
    for await (const piece of generateBy(lease.model, prompt, terms)) {
      if (!piece.receipt) yield piece;
      else {
        purse.spend(piece.receipt);
        last = piece;
      }
    }
    return last;
  }

  held(prompt: Prompt, options: RunOptions): number {
    const model = this.context.pool.inMemory(this.chosen);
    return model ? heldShare(model.language, prompt, options) : 0;
  }

  /**
   * Prices with the loaded model. If it is not loaded, estimates from its file and the prompt's length, since pricing
   * must not load a model.
   */
  async price(prompt: Prompt, answer: PricedAnswer, options: RunOptions, cached: number) {
    const model = this.context.pool.inMemory(this.chosen);
    if (model) return priceOfAnswer(model.language, prompt, answer, options, cached);
    const read = guessedTokens(requestSizeOf("/v1/completions", { prompt }, "modicum")!);
    const lengths = {
      prompt: read,
      cached: Math.floor(cached * read),
      completion: Math.max(1, answer.tokens),
      answers: 1,
    };
    const cost = (await shapeOf(this.chosen.served.source))?.generated(lengths);
    return cost && { ...cost, prompt: read };
  }
}

/** @throws HttpError for a model that does not generate text */
export function checkDecoder({ served }: ModelChoice): void {
  const kind = kindOfServed(served);
  if (kind === "decoder") return;
  throw new HttpError(400, `${served.id} is an ${kind}; a pair needs two models that generate text`, {
    param: "model",
  });
}

const shapes = new WeakMap<ResolvedModel, Shape | undefined>();

async function shapeOf(source: ResolvedModel): Promise<Shape | undefined> {
  if (!shapes.has(source)) shapes.set(source, await shapeOfFile(source.path));
  return shapes.get(source);
}
