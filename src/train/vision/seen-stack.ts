import { Axes } from "../../engine/decode/run/axes.ts";
import { aheadOf, wholeImagesIn } from "../../engine/decode/run/whole-images.ts";
import { type Graph, plus, type Tensor, timesRows } from "../../graph/index.ts";
import type { Decoder } from "../../models/decoder/decoder.ts";
import type { Batch, SeenRow } from "../data/batch.ts";
import { DecoderStack } from "../graphs/decoder-stack.ts";
import type { Trainee } from "../graphs/graphs.ts";
import type { SavingMasks } from "../graphs/saving-masks.ts";
import type { BatchInput, Shape } from "../graphs/stack.ts";
import { languageModel } from "../heads/language-model.ts";

/** The score term that hides a key. */
const HIDDEN = -1e9;

/** A decoder's layers over rows of tokens and images encoded by a frozen encoder. */
class SeenStack extends DecoderStack {
  constructor(
    decoder: Decoder,
    /** The number of layers, from the first, that are followed by an added image term. */
    private readonly adding: number,
    saving?: SavingMasks,
  ) {
    super(decoder, saving);
  }

  override embed(g: Graph, shape: Shape): Tensor {
    const own = super.embed(g, shape);
    return plus(
      timesRows(own, g.input("texts", "f32", [shape.rows, shape.tokens])),
      g.input(seen(0), "f32", own.shape),
    );
  }

  override layer(g: Graph, layer: number, x: Tensor, shape: Shape): Tensor {
    const y = super.layer(g, layer, x, shape);
    return layer < this.adding ? plus(y, g.input(seen(layer + 1), "f32", y.shape)) : y;
  }

  /** Lets an image's tokens attend to its later tokens, whatever the window. */
  protected override hiddenPairs(g: Graph, layer: number, shape: Shape): Tensor | undefined {
    const { config } = this.decoder;
    if (!config.wholeImages) return super.hiddenPairs(g, layer, shape);
    return g.input(hiddenIn(config.window?.(layer)), "f32", [shape.rows, shape.tokens, shape.tokens]);
  }

  override inputs(batch: Batch): Readonly<Record<string, BatchInput>> {
    const { rows, tokens } = batch;
    const texts = new Float32Array(rows * tokens).fill(1);
    for (const [row, image] of (batch.seen ?? []).entries())
      for (const [at, id] of (image?.prompt ?? []).entries()) if (id < 0) texts[row * tokens + at] = 0;
    const depths = Array.from({ length: this.adding + 1 }, (_, depth) => [seen(depth), this.#rowsAt(batch, depth)]);
    return {
      ...super.inputs(batch),
      texts: { dtype: "f32", shape: [rows, tokens], values: texts },
      ...Object.fromEntries(depths),
      ...(this.decoder.config.axes && positionsOf(batch)),
      ...(this.decoder.config.wholeImages && this.#hiddenOf(batch)),
    };
  }

  /** The image rows to add at a depth; zeros for text tokens. */
  #rowsAt({ rows, tokens, seen = [] }: Batch, depth: number): BatchInput {
    const values = new Float32Array(rows * tokens * this.hidden);
    for (const [row, image] of seen.entries())
      for (const [at, id] of (image?.prompt ?? []).entries()) {
        const embedding = id < 0 ? image!.embeddings.get(id) : undefined;
        const part = embedding?.subarray(depth * this.hidden, (depth + 1) * this.hidden);
        if (part) values.set(part, (row * tokens + at) * this.hidden);
      }
    return { dtype: "f32", shape: [rows, tokens, this.hidden], values };
  }

  #hiddenOf(batch: Batch): Record<string, BatchInput> {
    const { layers, window } = this.decoder.config;
    const windows = new Set(Array.from({ length: layers }, (_, layer) => window?.(layer)));
    return Object.fromEntries([...windows].map((each) => [hiddenIn(each), hiddenBy(batch, each)]));
  }
}

/** The name of the input for the image rows added at a depth. */
const seen = (depth: number): string => `seen:${depth}`;

const hiddenIn = (window: number | undefined): string => `hidden:${window ?? "none"}`;

/** A row's ids, including padding. */
const idsOf = (row: SeenRow | undefined, tokens: number): number[] =>
  Array.from({ length: tokens }, (_, at) => row?.prompt[at] ?? 0);

function positionsOf({ rows, tokens, seen = [] }: Batch): Record<string, BatchInput> {
  const shape = [rows, tokens];
  const places = Array.from({ length: tokens }, (_, at) => at);
  const all = Array.from({ length: rows }, (_, row) => new Axes(idsOf(seen[row], tokens)).at(places));
  const of = (axis: "positions" | "height" | "width"): BatchInput => {
    return { dtype: "i64", shape, values: Int32Array.from(all.flatMap((each) => each[axis])) };
  };
  return { positions: of("positions"), positionsHeight: of("height"), positionsWidth: of("width") };
}

/** A mask that hides keys before a query's window, and later keys outside the query's image. */
function hiddenBy({ rows, tokens, seen = [] }: Batch, window = Number.POSITIVE_INFINITY): BatchInput {
  const values = new Float32Array(rows * tokens ** 2).fill(HIDDEN);
  const places = Array.from({ length: tokens }, (_, at) => at);
  for (let row = 0; row < rows; row++) {
    const images = wholeImagesIn(idsOf(seen[row], tokens));
    for (const [query, ahead] of aheadOf(images, places).entries()) {
      const from = Math.max(0, query + 1 - window);
      const line = (row * tokens + query) * tokens;
      values.fill(0, line + from, line + query + ahead + 1);
    }
  }
  return { dtype: "f32", shape: [rows, tokens, tokens], values };
}

/** A language model whose decoder reads image rows from a frozen encoder. */
export const seenLanguageModelOf = (
  decoder: Decoder,
  adding: number,
  saving?: SavingMasks,
): Pick<Trainee, "stack" | "objective"> => ({
  stack: new SeenStack(decoder, adding, saving),
  objective: languageModel(decoder),
});
