import { evalCost } from "../../../graph/index.ts";
import type { Decoder } from "../../../models/decoder.ts";
import { Buffer, type View } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import type { VisualSpan } from "../../plan.ts";
import type { AttentionCall, AttentionSaving, FeedForwardPart } from "../../seams.ts";
import { type BlockShape, tracePlace } from "../block-sparse/graphs.ts";
import { traceOrder, traceTileGroups } from "./graphs.ts";
import { placeChunk } from "./place.ts";
import { Entries, isIn, type Reach, type Tiles, textTiles, visualTiles } from "./tiles.ts";

/** True for key–value heads that visual tokens use. */
export type HeadsKept = (layer: number, head: number) => boolean;

/** The compiled parts of attention that treats visual tokens apart. Weightless: they serve every layer. */
export class VisualPrograms implements Disposable {
  private constructor(
    readonly shape: BlockShape,
    readonly programs: Readonly<Record<"place" | "tiles" | "order", Program>>,
  ) {}

  static async create(decoder: Decoder): Promise<VisualPrograms> {
    const { heads, kvHeads, headSize } = decoder.config;
    const shape = { heads, kvHeads, headSize, blockSize: 1 };
    const [place, tiles, order] = await Promise.all([
      Program.compile(tracePlace(decoder, shape)),
      Program.compile(traceTileGroups(shape, decoder.attention(0).scale)),
      Program.compile(traceOrder(shape)),
    ]);
    return new VisualPrograms(shape, { place, tiles, order });
  }

  [Symbol.dispose](): void {
    for (const program of Object.values(this.programs)) program[Symbol.dispose]();
  }
}

/** How visual tokens compute less. */
export interface VisualTerms {
  /** Absent: attention is dense. */
  readonly attention?:
    | { readonly programs: VisualPrograms; readonly reach: Reach; readonly keeps: HeadsKept }
    | undefined;
  /** Share of the feed-forward's neurons. */
  readonly share: number;
}

/**
 * The layers of a prompt with images, in which visual tokens do without far visual tokens and some heads, and the
 * skipped products are not computed. The prompt is one chunk.
 */
export class VisualAttention implements AttentionSaving {
  readonly chunk: number;
  /** Tiles by the number of tokens: layers with as many have the same ones. */
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
    using q = new Buffer("f32", heads * tokens * headSize);
    using slots = new Buffer("f32", heads * tiles.slots * headSize);
    new Float32Array(slots.memory).fill(0);
    await placeChunk(programs, call, q);
    for (let head = 0; head < heads; head++) {
      const kept = keeps(layer, Math.floor((head * kvHeads) / heads));
      const own = { head, q: q.view([tokens, headSize], head * tokens * headSize) };
      const first = head * tiles.slots;
      if (kept) await runTiles(programs, call, own, tiles.visual, { slots, at: first });
      const text = kept ? tiles.text : tiles.textAlone;
      await runTiles(programs, call, own, text, { slots, at: first + tiles.visualSlots });
    }
    await inOrder(programs, call, tiles, slots);
  }

  #tilesOf({ tokens, positions }: AttentionCall, reach: Reach): LayerTiles {
    const known = this.#tiles.get(tokens) ?? layerTiles(this.visual, positionsOf(positions, tokens), reach);
    this.#tiles.set(tokens, known);
    return known;
  }
}

async function runTiles(
  { shape, programs }: VisualPrograms,
  { layer, tokens, cache, bill }: AttentionCall,
  { head, q }: { head: number; q: View },
  { count, queriesEach, keysEach, ...tiles }: Tiles,
  { slots, at }: { slots: Buffer; at: number },
): Promise<void> {
  if (count === 0) return;
  const { heads, kvHeads, headSize } = shape;
  const held = cache.head(layer, Math.floor((head * kvHeads) / heads), tokens, headSize);
  using queries = longs(tiles.queries);
  using chosen = longs(tiles.keys);
  using mask = new Buffer("f32", tiles.mask.length);
  new Float32Array(mask.memory).set(tiles.mask);
  const binding = {
    ...{ q, keys: held.key, values: held.value, mask: mask.view([count, queriesEach, keysEach]) },
    ...{ queries: queries.view([count, queriesEach]), chosen: chosen.view([count, keysEach]) },
    attended: slots.view([count * queriesEach, headSize], at * headSize),
  };
  await programs.tiles.bind(binding).run();
  bill.run(evalCost(programs.tiles.cost, { tokens, entries: tokens, tiles: count, queriesEach, keysEach }));
}

async function inOrder(
  { shape: { heads, headSize }, programs }: VisualPrograms,
  { tokens, attended }: AttentionCall,
  tiles: LayerTiles,
  slots: Buffer,
): Promise<void> {
  using slotOf = longs(tiles.slotOf);
  const views = { slots: slots.view([heads, tiles.slots, headSize]), slotOf: slotOf.view([tokens]) };
  await programs.order.bind({ ...views, attended: attended.view([1, tokens, heads * headSize]) }).run();
}

/** The tiles of a layer, and the slot of each token's result: visual ones come first, then text. */
interface LayerTiles {
  readonly visual: Tiles;
  readonly text: Tiles;
  /** Text that does not see visual tokens. */
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
  // A repeated query has its first slot last.
  for (let slot = visualSlots - 1; slot >= 0; slot--) slotOf[tiles.visual.queries[slot]!] = slot;
  for (const [i, entry] of entries.text.entries()) slotOf[entry] = visualSlots + i;
  return { ...tiles, visualSlots, slots: visualSlots + entries.text.length, slotOf };
}

const positionsOf = (positions: Buffer, tokens: number): number[] =>
  Array.from(new BigInt64Array(positions.memory).subarray(0, tokens), Number);

function longs(values: readonly number[]): Buffer {
  const buffer = new Buffer("i64", values.length);
  new BigInt64Array(buffer.memory).set(values.map(BigInt));
  return buffer;
}
