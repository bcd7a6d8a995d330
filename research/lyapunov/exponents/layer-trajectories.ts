import { type Changes, isRecurrence, scale } from "../../../src/graph/index.ts";
import { layersOf } from "../../../src/models/decoder/decoder.ts";
import { mean } from "../../../src/util/mean.ts";
import { normals } from "../../../src/util/normals.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { OpenStates, type Recurrent } from "./open-states.ts";
import { standardError } from "./spectra.ts";
import { norm } from "./two-trajectories.ts";

/** The factor of W: the control of a simple recurrent network, which must be chaotic. */
export const SCALED = 8;
export const scaledRecurrence: Changes = {
  operand: (node, i, tensor) => (isRecurrence(node, i) ? scale(tensor, SCALED) : tensor),
};

/** The initial distance at each token, as a share of the state's norm. */
const EPSILON = 1e-3;

/** Parts of the text for comparing exponents. */
const PARTS = 8;

/** The greatest exponent of a layer's state, in nats per token, and its standard error over parts of the text. */
export interface TrajectoryExponent {
  readonly max: number;
  readonly standardError: number;
}

/**
 * The greatest exponent of each layer under given inputs, by two trajectories (Wolf et al. 1985): for any recurrent
 * layer, whatever its Jacobian. Row l + 1 differs from row 0 in the state of layer l and has the same inputs, since the
 * layers before it agree; after each token the distance is rescaled to a small one. The first quarter of the tokens is
 * skipped, while the difference turns to the slowest direction.
 */
export async function layerTrajectories(
  model: Recurrent,
  ids: readonly number[],
  seed: number,
  changes: Changes = {},
): Promise<TrajectoryExponent[]> {
  const layers = layersOf(model.decoder.config, "recurrent").length;
  const rows = layers + 1;
  using states = await OpenStates.open(model, { rows, tokens: 1, length: ids.length, changes });
  const normal = normals(seededRandom(seed));
  const run = (id: number) => states.run(Array.from({ length: rows }, () => [id]));
  const pairs = Array.from({ length: layers }, (_, l) => new Pair(states.scan(l, 0), states.scan(l, l + 1), normal));
  const transient = Math.floor(ids.length / 4);
  for (const [t, id] of ids.entries()) {
    await run(id);
    for (const pair of pairs) pair.step(t > transient);
  }
  return pairs.map((pair) => pair.exponent);
}

/** A layer's state and one near it. */
class Pair {
  readonly #logarithms: number[] = [];
  #before = 0;

  constructor(
    private readonly plain: Float32Array,
    private readonly near: Float32Array,
    private readonly normal: () => number,
  ) {}

  /** After a token: records the growth of the distance if it counts, and rescales the distance. */
  step(counts: boolean): void {
    const difference = Float64Array.from(this.plain, (value, i) => this.near[i]! - value);
    const distance = norm(difference);
    if (counts) this.#logarithms.push(Math.log(distance / this.#before));
    // At the first token, or if rounding lost the difference, the direction is random.
    const lost = this.#before === 0 || distance === 0;
    this.#set(lost ? difference.map(() => this.normal()) : difference);
  }

  #set(direction: Float64Array): void {
    const factor = (EPSILON * norm(this.plain)) / norm(direction);
    for (const [i, value] of direction.entries()) this.near[i] = this.plain[i]! + factor * value;
    this.#before = norm(this.near.map((value, i) => value - this.plain[i]!));
  }

  get exponent(): TrajectoryExponent {
    const all = this.#logarithms;
    const cut = (part: number) => Math.floor((part * all.length) / PARTS);
    const parts = Array.from({ length: PARTS }, (_, i) => mean(all.slice(cut(i), cut(i + 1))));
    return { max: mean(all), standardError: standardError(parts) };
  }
}
