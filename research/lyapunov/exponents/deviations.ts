import { seededRandom } from "../../../src/util/random.ts";
import { OpenStates, type Recurrent } from "./open-states.ts";
import { norm } from "./two-trajectories.ts";

/** Tokens between two measurements. */
const STRIDE = 16;

/** The share of tokens that noise replaces. */
const NOISE = 0.05;

/**
 * The distance of all recurrent layers' states from the plain text's, as a share of their norm, at tokens of it: after
 * one replaced token, and with 5 % of the tokens replaced throughout.
 */
export interface Deviations {
  readonly tokens: readonly number[];
  /** The place of the replaced token. */
  readonly replaced: number;
  readonly oneToken: readonly number[];
  readonly noise: readonly number[];
}

/** Replacements come from the same text, so the model knows these tokens. */
export async function measureDeviations(model: Recurrent, ids: readonly number[], seed: number): Promise<Deviations> {
  const random = seededRandom(seed);
  const drawn = () => ids[Math.floor(random() * ids.length)]!;
  const replaced = STRIDE;
  const other = ids.find((id) => id !== ids[replaced]) ?? ids[replaced]!;
  const texts = [ids, ids.with(replaced, other), ids.map((id) => (random() < NOISE ? drawn() : id))];
  using states = await OpenStates.open(model, { rows: 3, tokens: STRIDE, length: ids.length });
  const deviations = { tokens: [] as number[], oneToken: [] as number[], noise: [] as number[] };
  for (let at = 0; at + STRIDE <= ids.length; at += STRIDE) {
    await states.run(texts.map((text) => text.slice(at, at + STRIDE)));
    deviations.tokens.push(at + STRIDE);
    deviations.oneToken.push(distance(states, 1));
    deviations.noise.push(distance(states, 2));
  }
  return { replaced, ...deviations };
}

/** The distance of a row's states from the first row's, as a share of their norm. */
function distance(states: OpenStates, row: number): number {
  const layers = states.scans.map((_, l) => [states.scan(l, 0), states.scan(l, row)] as const);
  const difference = norm(layers.map(([a, b]) => norm(a.map((value, i) => value - b[i]!))));
  return difference / norm(layers.map(([a]) => norm(a)));
}
