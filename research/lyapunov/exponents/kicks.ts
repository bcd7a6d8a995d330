import { type Changes, DECAY, isGatedScan, scale } from "../../../src/graph/index.ts";
import { layersOf } from "../../../src/models/decoder/decoder.ts";
import { DecaySums } from "./closed-form.ts";
import { OpenStates, type Recurrent } from "./open-states.ts";

/** A difference below this share of the kick is rounding noise. */
const LOST = 1e-3;

/** A layer's state after every element of its scan was shifted by 1 before the first token. */
export interface Kicked {
  /** Elements whose difference is large enough to measure. */
  readonly elements: number;
  /** Their greatest exponent. */
  readonly exponent: number;
  /** The greatest difference of an exponent from the closed form's on the same tokens, in nats per token. */
  readonly fromClosedForm: number;
}

/** A = +exp(A_log): the negative control. */
const growing: Changes = {
  operand: (node, i, tensor) => (isGatedScan(node) && i === DECAY ? scale(tensor, -1) : tensor),
};

/**
 * Shifts the state of each recurrent layer, each in its own row, runs the tokens, and compares the remaining difference
 * with the closed form: an unchanged row beside it has the same inputs at that layer. `grows`: with A = +exp(A_log).
 */
export async function kickLayers(model: Recurrent, ids: readonly number[], grows = false): Promise<Kicked[]> {
  const layers = layersOf(model.decoder.config, "recurrent").length;
  const length = ids.length;
  const changes = grows ? { changes: growing } : {};
  using one = await OpenStates.open(model, { rows: 1, tokens: length, length, decays: true, ...changes });
  using rows = await OpenStates.open(model, { rows: layers + 1, tokens: length, length, ...changes });
  await one.run([ids]);
  for (let l = 0; l < layers; l++) addTo(rows.scan(l, l + 1), 1);
  await rows.run(Array.from({ length: layers + 1 }, () => ids));
  return one.scans.map(({ decays, share }, l) => {
    const sums = new DecaySums(decays);
    const sign = grows ? -1 : 1;
    sums.add(one.decays(l, ids.length).map((decay) => sign * decay));
    return compared(rows.scan(l, 0), rows.scan(l, l + 1), sums, share);
  });
}

function addTo(values: Float32Array, addend: number): void {
  for (let i = 0; i < values.length; i++) values[i]! += addend;
}

function compared(plain: Float32Array, kicked: Float32Array, { exponents, tokens }: DecaySums, share: number): Kicked {
  let [elements, exponent, fromClosedForm] = [0, Number.NEGATIVE_INFINITY, 0];
  for (let i = 0; i < plain.length; i++) {
    const distance = kicked[i]! - plain[i]!;
    if (!(distance > LOST * Math.max(1, Math.abs(plain[i]!)))) continue;
    const rate = Math.log(distance) / tokens;
    elements++;
    exponent = Math.max(exponent, rate);
    fromClosedForm = Math.max(fromClosedForm, Math.abs(rate - exponents[Math.floor(i / share)]!));
  }
  return { elements, exponent, fromClosedForm };
}
