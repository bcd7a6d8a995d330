import { Buffer } from "../../runtime/buffer.ts";
import type { StateFill } from "../../savings/plan.ts";
import type { Meter } from "../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import type { Batch } from "./batch.ts";
import { PREFILL_CHUNK } from "./chunk.ts";
import { tailOf } from "./chunk-run.ts";
import { cacheBinding } from "./stack-buffers.ts";

/** A row whose token is at a cut; the batch's streams lie after `done` segments. */
export interface AtCut {
  readonly slot: Slot;
  /** Layers that have run. */
  readonly after: number;
  readonly batch: Batch;
  readonly done: number;
  readonly meter: Meter;
}

/** Writes the state that deeper layers keep for a token that exited at a cut. */
export async function fill(how: StateFill, at: AtCut): Promise<void> {
  switch (how) {
    case "none":
    case "mask":
      return;
    case "copy-kv":
      return copyEntries(at);
    case "copy-hidden":
      return computeEntries(at);
    case "recompute": {
      holdBack(at);
      if (at.slot.missed.count === PREFILL_CHUNK - 1) await passMissed(at);
    }
  }
}

/** Keeps the stream of a row's token until deeper layers need it. */
const holdBack = ({ slot, batch, done }: AtCut): void =>
  slot.missed.add(batch.streamBuffers(done), batch.slots.indexOf(slot), 1);

/** Copies the token's key and value of the last layer that ran to each deeper layer. */
function copyEntries({ slot, after }: AtCut): void {
  const { layers } = slot.programs.decoder.config;
  const from = slot.group(after - 1).length - 1;
  for (const group of slot.groupsOf({ from: after, to: layers })) {
    for (let layer = group.layers.from; layer < group.layers.to; layer++)
      slot.cache.copyToken(layer, group.length, after - 1, from);
    group.grow([slot.tokens.length]);
  }
}

/** Computes the token's key and value in each deeper layer from the stream at the cut. */
async function computeEntries({ slot, after, batch, done, meter }: AtCut): Promise<void> {
  using first = new Buffer("i64", 1);
  using positions = new Buffer("i64", 1);
  new BigInt64Array(positions.memory)[0] = BigInt(slot.tokens.length);
  const shared = { ...batch.stream(slot, done), first: first.view([1]), positions: positions.view([1, 1]) };
  for (const { from, to, program } of await slot.programs.fills(after)) {
    new BigInt64Array(first.memory)[0] = BigInt(slot.group(from).length);
    const caches = Array.from({ length: to - from }, (_, l) => cacheBinding(slot.cache.layer(from + l), `${from + l}`));
    await program.bind(Object.assign({}, shared, ...caches)).run();
    meter.overheadPart(program.cost, 1, 0);
  }
  for (const group of slot.groupsOf({ from: after, to: slot.programs.decoder.config.layers }))
    group.grow([slot.tokens.length]);
}

/** Runs a row's token through the layers after a cut, after those that exited there before; logits [vocabulary]. */
export async function catchUp(at: AtCut): Promise<Float32Array> {
  const { slot, meter } = at;
  holdBack(at);
  const tokens = slot.missed.count;
  const done = await passMissed(at);
  meter.part(slot.programs.headCost, 1, 0);
  const stream = await tailOf(slot.programs, slot.buffers, { rows: 1, tokens: 1, at: tokens - 1 }, done);
  return slot.logitsOf(stream);
}

/** Runs the tokens that were held back, the row's newest the last of them, through the layers after the cut. */
async function passMissed({ slot, after, meter }: AtCut): Promise<number> {
  const { missed } = slot;
  const { layers } = slot.programs.decoder.config;
  const tokens = missed.count;
  const positions = Array.from({ length: tokens }, (_, i) => slot.tokens.length - tokens + 1 + i);
  missed.give(slot.buffers.streamBuffers(0), 0, tokens);
  missed.count = 0;
  meter.count("layers", 0, (layers - after) * tokens);
  return slot.pass({ from: after, to: layers }, positions, { meter });
}
