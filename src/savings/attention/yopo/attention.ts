import { evalCost } from "../../../graph/index.ts";
import { type Decoder, firstAttention } from "../../../models/decoder/decoder.ts";
import { Buffer, type View } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import type { VisualSpan } from "../../plan.ts";
import type { AttentionCall, AttentionSaving, FeedForwardPart } from "../../seams.ts";
import { type BlockShape, tracePlace } from "../block-sparse/graphs.ts";
import { type HeadKind, traceHeads, traceOrder } from "./graphs.ts";
import type { HeadDrop } from "./options.ts";
import { placeChunk } from "./place.ts";
import { Entries, isIn, type Reach, type Tiles, textTiles, visualTiles } from "./tiles.ts";

/** True for key–value heads that visual tokens use. */
export type HeadsKept = (layer: number, head: number) => boolean;

/** The compiled parts of attention with reduced visual tokens. They have no weights, so all layers share them. */
export class VisualPrograms implements Disposable {
  private constructor(
    readonly shape: BlockShape,
    readonly drop: HeadDrop,
    readonly programs: Readonly<Record<"place" | "kept" | "dropped" | "order", Program>>,
  ) {}

  static async create(decoder: Decoder, drop: HeadDrop = "pre-softmax-mask"): Promise<VisualPrograms> {
    const { heads, kvHeads, headSize } = decoder.config;
    const shape = { heads, kvHeads, headSize, blockSize: 1 };
    const { scale } = firstAttention(decoder);
    const [place, kept, dropped, order] = await Promise.all([
      Program.compile(tracePlace(decoder, shape)),
      Program.compile(traceHeads(shape, scale, "kept")),
      Program.compile(traceHeads(shape, scale, drop)),
      Program.compile(traceOrder(shape)),
    ]);
    return new VisualPrograms(shape, drop, { place, kept, dropped, order });
  }

  [Symbol.dispose](): void {
    for (const program of Object.values(this.programs)) program[Symbol.dispose]();
  }
}

/** The reductions for visual tokens. */
export interface VisualTerms {
  /** If absent, attention is dense. */
  readonly attention?:
    | { readonly programs: VisualPrograms; readonly reach: Reach; readonly keeps: HeadsKept }
    | undefined;
  /** The share of the feed-forward network's neurons that visual tokens use. */
  readonly share: number;
}

/**
 * Attention in which visual tokens skip distant visual tokens and some heads, without computing the skipped products.
 * The prompt is a single chunk.
 */
export class VisualAttention implements AttentionSaving {
  readonly chunk: number;
  /** Tiles by the number of tokens; layers with the same number share them. */
  readonly #tiles = new Map<number, LayerTiles>();

  constructor(
    prompt: number,
    private readonly visual: readonly VisualSpan[],
    private readonly terms: VisualTerms,
  ) {
    this.chunk = prompt;
  }

  chunkAfter(): number {
    return this.chunk;
  }

  feedForward(positions: readonly number[]): readonly FeedForwardPart[] {
    const parts: FeedForwardPart[] = [];
    for (const position of positions) {
      const share = this.visual.some((span) => isIn(span, position)) ? this.terms.share : 1;
      const last = parts.at(-1);
      if (last?.share === share) parts[parts.length - 1] = { share, tokens: last.tokens + 1 };
      else parts.push({ share, tokens: 1 });
    }
    return parts;
  }

  async attend(call: AttentionCall): Promise<void> {
    const { attention } = this.terms;
    if (!attention) return call.dense();
    const { tokens, layer } = call;
    const { programs, reach, keeps } = attention;
    const { heads, kvHeads, headSize } = programs.shape;
    const tiles = this.#tilesOf(call, reach);
    const all = Array.from({ length: heads }, (_, head) => head);
    const isKept = (head: number) => keeps(layer, Math.floor((head * kvHeads) / heads));
    const [visual, dropped] = [all.filter(isKept), all.filter((head) => !isKept(head))];
    using q = new Buffer("f32", heads * tokens * headSize);
    using slots = new Buffer("f32", heads * tiles.slots * headSize);
    await placeChunk(programs, call, q);
    await runHeads(programs, call, { q, heads: visual, out: slots, at: 0 }, tiles, "kept");
    await runHeads(programs, call, { q, heads: dropped, out: slots, at: visual.length }, tiles, programs.drop);
    await inOrder(programs, call, tiles, { slots, order: [...visual, ...dropped] });
  }

  #tilesOf({ tokens, places }: AttentionCall, reach: Reach): LayerTiles {
    const known = this.#tiles.get(tokens) ?? layerTiles(this.visual, places, reach);
    this.#tiles.set(tokens, known);
    return known;
  }
}

/** Some heads, and the offset of their results in `out`. */
interface SomeHeads {
  readonly q: Buffer;
  readonly heads: readonly number[];
  readonly out: Buffer;
  /** The number of heads that precede `heads` in `out`. */
  readonly at: number;
}

async function runHeads(
  { shape, programs }: VisualPrograms,
  { layer, tokens, cache, bill }: AttentionCall,
  { q, heads, out, at }: SomeHeads,
  tiles: LayerTiles,
  kind: HeadKind,
): Promise<void> {
  if (heads.length === 0) return;
  const { headSize, kvHeads } = shape;
  const count = heads.length;
  const { key, value } = cache.layer(layer);
  using which = longs(heads);
  using kv = longs(heads.map((head) => Math.floor((head * kvHeads) / shape.heads)));
  const isKept = kind === "kept";
  using zeros = new Buffer("f32", isKept ? 1 : count * tiles.visualSlots * headSize);
  new Float32Array(zeros.memory).fill(0);
  using text = new BoundTiles("text", kind === "pre-softmax-mask" ? tiles.textAlone : tiles.text);
  // The text's keys come first in a text tile.
  using seen = kind === "post-softmax-zero" ? longs([...tiles.textAlone.keys.keys()]) : undefined;
  using image = new BoundTiles("visual", tiles.visual);
  const program = isKept ? programs.kept : programs.dropped;
  await program
    .bind({
      ...{ q: q.view([shape.heads, tokens, headSize]), heads: which.view([count]), kvHeads: kv.view([count]) },
      ...{ keys: key, values: value, zeros: zeros.view(isKept ? [1] : [count, tiles.visualSlots, headSize]) },
      ...text.binding,
      ...image.binding,
      ...(seen && { seen: seen.view([tiles.textAlone.keysEach]) }),
      attended: out.view([count, tiles.slots, headSize], at * tiles.slots * headSize),
    })
    .run();
  const sizes = {
    tokens,
    some: count,
    capacity: key.shape[2]!,
    zeroSlots: tiles.visualSlots,
    seen: tiles.textAlone.keysEach,
  };
  bill.run(evalCost(program.cost, { ...sizes, ...text.sizes, ...image.sizes }));
}

/** Tiles copied into a program's buffers. */
class BoundTiles implements Disposable {
  readonly #queries: Buffer;
  readonly #keys: Buffer;
  readonly #mask: Buffer;

  constructor(
    private readonly kind: string,
    private readonly tiles: Tiles,
  ) {
    this.#queries = longs(tiles.queries);
    this.#keys = longs(tiles.keys);
    this.#mask = new Buffer("f32", tiles.mask.length);
    new Float32Array(this.#mask.memory).set(tiles.mask);
  }

  get binding(): Record<string, View> {
    const { count, queriesEach, keysEach } = this.tiles;
    return {
      [`${this.kind}Queries`]: this.#queries.view([count, queriesEach]),
      [`${this.kind}Keys`]: this.#keys.view([count, keysEach]),
      [`${this.kind}Mask`]: this.#mask.view([count, queriesEach, keysEach]),
    };
  }

  get sizes(): Record<string, number> {
    const { count, queriesEach, keysEach } = this.tiles;
    return {
      [`${this.kind}Tiles`]: count,
      [`${this.kind}Queries`]: queriesEach,
      [`${this.kind}Keys`]: keysEach,
    };
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.#queries, this.#keys, this.#mask]) buffer[Symbol.dispose]();
  }
}

async function inOrder(
  { shape: { heads, headSize }, programs }: VisualPrograms,
  { tokens, attended }: AttentionCall,
  tiles: LayerTiles,
  { slots, order }: { readonly slots: Buffer; readonly order: readonly number[] },
): Promise<void> {
  using slotOf = longs(tiles.slotOf);
  using placeOf = longs(order.map((_, head) => order.indexOf(head)));
  const places = { slotOf: slotOf.view([tokens]), placeOf: placeOf.view([heads]) };
  const views = { slots: slots.view([heads, tiles.slots, headSize]), ...places };
  await programs.order.bind({ ...views, attended: attended.view([1, tokens, heads * headSize]) }).run();
}

/** The tiles of a layer, and the slot of each token's result: visual tokens come first, then text. */
interface LayerTiles {
  readonly visual: Tiles;
  readonly text: Tiles;
  /** Tiles for text that does not attend to visual tokens. */
  readonly textAlone: Tiles;
  readonly visualSlots: number;
  readonly slots: number;
  readonly slotOf: readonly number[];
}

function layerTiles(visual: readonly VisualSpan[], positions: readonly number[], reach: Reach): LayerTiles {
  const entries = new Entries(visual, positions);
  const tiles = {
    visual: visualTiles(entries, reach),
    text: textTiles(entries, true, reach),
    textAlone: textTiles(entries, false, reach),
  };
  const slotOf = new Array<number>(positions.length).fill(0);
  const visualSlots = tiles.visual.queries.length;
  // Iterates in reverse, so that a repeated query keeps its first slot.
  for (let slot = visualSlots - 1; slot >= 0; slot--) slotOf[tiles.visual.queries[slot]!] = slot;
  for (const [i, entry] of entries.text.entries()) slotOf[entry] = visualSlots + i;
  return { ...tiles, visualSlots, slots: visualSlots + entries.text.length, slotOf };
}

function longs(values: readonly number[]): Buffer {
  const buffer = new Buffer("i64", values.length);
  new BigInt64Array(buffer.memory).set(values.map(BigInt));
  return buffer;
}
