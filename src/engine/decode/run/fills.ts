import { keepsKeys, layersOf } from "../../../models/decoder/decoder.ts";
import type { FillScope } from "../../../models/programs/segments.ts";
import type { StateGroup } from "../../../models/state/kv-group.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import type { StateFill } from "../../../savings/plan.ts";
import type { Meter } from "../../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import type { Batch } from "./batch.ts";
import { layerBinding } from "./stack-buffers.ts";

/** A row whose token is at a cut; the batch's streams are those after `done` segments. */
export interface AtCut {
  readonly slot: Slot;
  /** The number of layers that have run. */
  readonly after: number;
  readonly batch: Batch;
  readonly done: number;
  readonly meter: Meter;
}

/** True if the token waits until deeper layers compute its own state. */
export const waits = (how: StateFill): boolean => how === "recompute" || how === "verify";

/** Writes the state that deeper layers keep for a token that exited at a cut. */
export async function fill(how: StateFill, at: AtCut): Promise<void> {
  switch (how) {
    case "none":
    case "mask":
    case "ssm-skip":
      return;
    case "ssm-partial":
    case "copy-hidden":
    case "copy-hidden/ssm-partial":
      return compute(at, "all");
    case "copy-kv":
      copyEntries(at);
      return grow(at);
    case "copy-kv/ssm-partial":
      copyEntries(at);
      return compute(at, "recurrent");
    case "recompute":
    case "verify":
      holdBack(at);
      at.slot.held.drafts = how === "verify";
  }
}

/** Keeps the stream of a row's token until deeper layers need it. */
export const holdBack = ({ slot, after, batch, done }: AtCut): void =>
  slot.held.add(batch.streamBuffers(done), batch.slots.indexOf(slot), [slot.tokens.length], after);

/** The layers that a fill computes with programs; undefined if it runs none. */
export function computedBy(how: StateFill): FillScope | undefined {
  switch (how) {
    case "ssm-partial":
    case "copy-hidden":
    case "copy-hidden/ssm-partial":
      return "all";
    case "copy-kv/ssm-partial":
      return "recurrent";
    case "none":
    case "mask":
    case "ssm-skip":
    case "copy-kv":
    case "recompute":
    case "verify":
      return undefined;
  }
}

/** The groups of the layers that a token skips. */
const deeperGroups = ({ slot, after }: AtCut): StateGroup[] =>
  slot.groupsOf({ from: after, to: slot.programs.decoder.config.layers });

function grow(at: AtCut): void {
  for (const group of deeperGroups(at)) group.grow([at.slot.tokens.length]);
}

/** Copies the token's key and value from the last attention layer run to each deeper attention layer. */
function copyEntries(at: AtCut): void {
  const { slot, after } = at;
  const { config } = slot.programs.decoder;
  const attending = layersOf(config, "attention");
  const source = attending.findLast((layer) => layer < after)!;
  const entry = slot.group(source).length - 1;
  for (const layer of attending.filter((layer) => layer >= after && keepsKeys(config, layer)))
    slot.cache.copyToken(layer, slot.group(layer).length, source, entry);
}

/** Computes the token's state in deeper layers, or only in recurrent ones, from the stream at the cut. */
async function compute(at: AtCut, filled: FillScope): Promise<void> {
  const { slot, after, batch, done, meter } = at;
  using first = new Buffer("i64", 1);
  using positions = new Buffer("i64", 1);
  new BigInt64Array(positions.memory)[0] = BigInt(slot.tokens.length);
  const shared = { ...batch.stream(slot, done), first: first.view([1]), positions: positions.view([1, 1]) };
  for (const group of deeperGroups(at)) group.begin();
  for (const { from, to, program } of await slot.programs.fills(after, filled)) {
    new BigInt64Array(first.memory)[0] = BigInt(slot.group(from).length);
    const layers = Array.from({ length: to - from }, (_, l) => layerBinding(slot.cache, from + l));
    await program.bind(Object.assign({}, shared, ...layers)).run();
    meter.overheadPart(program.cost, 1, 0);
  }
  grow(at);
}
