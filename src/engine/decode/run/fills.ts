import { Buffer } from "../../../runtime/buffer.ts";
import type { StateFill } from "../../../savings/plan.ts";
import type { Meter } from "../../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import type { Batch } from "./batch.ts";
import { cacheBinding, stateBinding } from "./stack-buffers.ts";

/** A row whose token is at a cut; the batch's streams lie after `done` segments. */
export interface AtCut {
  readonly slot: Slot;
  /** Layers that have run. */
  readonly after: number;
  readonly batch: Batch;
  readonly done: number;
  readonly meter: Meter;
}

/** True if the token waits, and deeper layers get its own state later. */
export const waits = (how: StateFill): boolean => how === "recompute" || how === "verify";

/** Writes the state that deeper layers keep for a token that exited at a cut. */
export async function fill(how: StateFill, at: AtCut): Promise<void> {
  switch (how) {
    case "none":
    case "mask":
    case "ssm-skip":
      return;
    case "ssm-partial":
      return updateStates(at);
    case "copy-kv":
      return copyEntries(at);
    case "copy-hidden":
      return computeEntries(at);
    case "recompute":
    case "verify":
      holdBack(at);
      at.slot.held.drafts = how === "verify";
  }
}

/** Keeps the stream of a row's token until deeper layers need it. */
export const holdBack = ({ slot, after, batch, done }: AtCut): void =>
  slot.held.add(batch.streamBuffers(done), batch.slots.indexOf(slot), [slot.tokens.length], after);

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

/** Updates the states of deeper recurrent layers by the token's stream at the cut; their results are not computed. */
async function updateStates({ slot, after, batch, done, meter }: AtCut): Promise<void> {
  const groups = slot.groupsOf({ from: after, to: slot.programs.decoder.config.layers });
  for (const group of groups) group.begin();
  for (const { from, to, program } of await slot.programs.fills(after)) {
    const states = Array.from({ length: to - from }, (_, l) => stateBinding(slot.cache, from + l));
    await program.bind(Object.assign({}, batch.stream(slot, done), ...states)).run();
    meter.overheadPart(program.cost, 1, 0);
  }
  for (const group of groups) group.grow([slot.tokens.length]);
}
