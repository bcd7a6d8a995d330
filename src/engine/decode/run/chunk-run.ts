import { qkvWidth } from "../../../models/decoder/decoder.ts";
import type { LayerForm } from "../../../models/programs/dense-graphs.ts";
import type { DecoderPrograms } from "../../../models/programs/programs.ts";
import type { LayerRange } from "../../../models/state/kv-group.ts";
import type { Lengths, Place } from "../../../models/state/lengths.ts";
import type { View } from "../../../runtime/buffer.ts";
import { isBrief, runChain } from "../../../runtime/chain.ts";
import type { Meter, PartRun } from "../../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import type { Span, StackBuffers, Stream } from "./stack-buffers.ts";

/** A chunk of a prompt after some layers. */
export interface Chunk {
  readonly tokens: number;
  /** The buffers with the stream, and the number of segments run. */
  readonly buffers: StackBuffers;
  readonly done: number;
  /** The stream of `count` tokens, starting at `first`, after the model's last layer. */
  rows(first: number, count: number): Promise<Stream>;
  /** The runs that compute the result of `rows` and its logits. */
  headRuns(first: number, count: number): Promise<readonly PartRun[]>;
  /** The last token's qkv in the last layer run, [1, 1, (heads + 2·kvHeads)·headSize], before rotary embedding. */
  qkv(): Promise<View>;
}

/** A run of some layers over some tokens; the tokens' stream is at the start of the buffers. */
export interface ChunkJob {
  readonly slot: Slot;
  readonly layers: LayerRange;
  /** The number of segments run before these layers. */
  readonly done: number;
  /** Positions of the tokens in the sequence. */
  readonly positions: readonly number[];
  readonly meter: Meter;
}

/** Embeds tokens into a run's initial stream; ids below 0 (embedded rows) are embedded as token 0. */
export async function embedTokens(
  programs: DecoderPrograms,
  buffers: StackBuffers,
  lengths: Lengths,
  tokens: readonly number[],
  place: Place,
): Promise<void> {
  for (const [i, id] of tokens.entries()) buffers.setId(i, Math.max(0, id));
  lengths.set(0, [place], tokens.length);
  const span: Span = { rows: 1, tokens: tokens.length, at: 0 };
  await programs.embedding.bind({ ...lengths.views(0, 1, tokens.length), ...buffers.entry(span) }).run();
}

/** Runs a chunk through complete segments, cut at `borders`, with weights in this form. */
export async function runSegments(
  { slot, layers, done: before, positions, meter }: ChunkJob,
  borders: readonly number[],
  form?: LayerForm,
): Promise<Chunk> {
  const { buffers, programs } = slot;
  const tokens = positions.length;
  const done = await slot.pass(layers, positions, { done: before, borders, form, meter });
  return {
    ...{ tokens, buffers, done },
    rows: (first, count) => tailOf(programs, buffers, { rows: 1, tokens: count, at: first }, done),
    headRuns: async (_, tokens) => [{ cost: programs.headCost, tokens, past: 0 }],
    // A cut that needs qkv comes after a segment of one layer, whose input is still in its buffer.
    qkv: () => qkvOf(programs, buffers, { layer: layers.to - 1, done: done - 1, at: tokens - 1 }, meter),
  };
}

/**
 * Runs the part after the last attention, if any, for some tokens of a run. Returns the stream after the
 * model's last layer.
 */
export async function tailOf(
  programs: DecoderPrograms,
  buffers: StackBuffers,
  span: Span,
  done: number,
): Promise<Stream> {
  const { tail } = programs;
  if (tail) {
    const bound = tail.bind({ ...buffers.attendedViews(span), ...buffers.streamOut(done, span) });
    await runChain([bound], isBrief(tail, { batch: span.rows, tokens: span.tokens }));
  }
  return buffers.stream(done, span);
}

/** One token's qkv in a layer, from the stream before that layer. */
async function qkvOf(
  programs: DecoderPrograms,
  buffers: StackBuffers,
  { layer, done, at }: { layer: number; done: number; at: number },
  meter: Meter,
): Promise<View> {
  const span = { rows: 1, tokens: 1, at };
  const program = await programs.before(layer);
  const qkv = buffers.qkv.view([1, 1, qkvWidth(programs.decoder.config, layer)]);
  await program.bind({ ...buffers.stream(done, span), ...buffers.attendedViews(span), qkv }).run();
  meter.overheadPart(program.cost, 1, 0);
  return qkv;
}
