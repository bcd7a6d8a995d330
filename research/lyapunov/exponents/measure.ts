import { z } from "zod";
import { tokenizerOf } from "../../../src/engine/file/tokenizer-of.ts";
import { layersOf } from "../../../src/models/decoder/decoder.ts";
import { openDecoder } from "../../../src/models/registry.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { preparedFolder, type ResolvedModel } from "../../../src/weights/sources/index.ts";
import { benettin } from "./benettin.ts";
import { memoryOf } from "./closed-form.ts";
import { type LoopExponents, loopExponents } from "./closed-loop.ts";
import { type Deviations, measureDeviations } from "./deviations.ts";
import { type Histogram, histogramOf } from "./histogram.ts";
import { type Kicked, kickLayers } from "./kicks.ts";
import { layerTrajectories, scaledRecurrence, type TrajectoryExponent } from "./layer-trajectories.ts";
import { tanhNetwork } from "./maps.ts";
import { greatest, measureSpectra, type Spectrum } from "./spectra.ts";

export const lyapunovOptions = z.strictObject({
  tokens: z
    .int()
    .min(32)
    .max(1 << 20)
    .default(1024)
    .describe("maximum tokens of the text"),
  seed: z.int().min(0).default(0).describe("seed of controls, replaced tokens and sampled feedback"),
});
export type LyapunovOptions = z.output<typeof lyapunovOptions>;

/** Minimum tokens for an exponent. */
const FEWEST = 32;

/** Tokens over which shifted states are followed; fewer for growing ones. */
const [KICKED, GROWN] = [48, 8];

/** Units of the recurrent networks beside the model, and their maximum steps. */
const [UNITS, CONTROL_STEPS] = [100, 512];

/** The scope of a result. */
const SCOPE =
  "Scope: an exponent is of the latent state of one layer whose inputs are given. It does not cover steps, B and C that " +
  "depend on a changed input, the convolution, the gate and the projections, depth, the loop from logits to tokens and " +
  "back, training, or a decay that is rounded. λ ≤ 0 follows from the form −exp(A_log)·Δ; whether the model's own " +
  "trajectories stay together is what the loops below measure. A layer of another form has no such bound.";

const MIXED =
  "Of a hybrid, whose keys and values grow with the text, there are no loops, and no exponents of the layers that attend.";

/** A layer of the model. */
interface LayerExponents {
  /** The greatest exponent, in nats per token, and its standard error over the text's parts. */
  readonly max: number;
  readonly standardError: number;
  readonly median: number;
  readonly min: number;
  /** Tokens after which the slowest channel has decayed to 1/e; null: never. */
  readonly memory: number | null;
  readonly fromQr: number;
  readonly histogram: Histogram;
  readonly kicked: Kicked;
  /** With A = +exp(A_log). */
  readonly grown: Kicked;
}

export interface LyapunovReport {
  readonly model: string;
  readonly architecture: string;
  readonly tokens: number;
  readonly seed: number;
  /** Indices of the recurrent layers; absent if every layer is recurrent. */
  readonly recurrent?: readonly number[];
  readonly max: number;
  /** By their closed form; empty if their Jacobians are not diagonal, as in a simple recurrent network. */
  readonly layers: readonly LayerExponents[];
  /** The layers' greatest exponents by two trajectories, whatever their form. */
  readonly trajectories: readonly TrajectoryExponent[];
  /** The same for a simple recurrent network with its recurrence multiplied by SCALED; absent for others. */
  readonly scaled: readonly TrajectoryExponent[];
  /** Recurrent networks with tanh, over the same tokens. */
  readonly controls: readonly { readonly gain: number; readonly max: number }[];
  readonly deviations: Deviations;
  /** Absent for a hybrid: its state grows with the text, and has no exponent. */
  readonly loops?: LoopExponents;
  readonly scope: string;
}

/** Lyapunov exponents of a recurrent model on a text. @throws for a text that is too short, or a model without recurrent layers */
export async function measureLyapunov(
  source: ResolvedModel,
  text: string,
  { tokens, seed }: LyapunovOptions,
): Promise<LyapunovReport> {
  const checkpoint = openCheckpoint(source.path);
  // Exponents describe the model, not the rounding of its weights.
  const model = await openDecoder(checkpoint, preparedFolder(source.path), "f32");
  const { config } = model.decoder;
  const recurrent = layersOf(config, "recurrent");
  checkRecurrent(source.name, recurrent);
  const mixed = layersOf(config, "attention").length > 0;
  const ids = tokenizerOf(checkpoint, config.vocabulary).encode(text).slice(0, tokens);
  if (ids.length < FEWEST)
    throw new Error(`the text is too short for an exponent: it has ${ids.length} tokens, expected at least ${FEWEST}`);
  const spectra = await measureSpectra(model, ids);
  const kicks = (tokens: number, grows: boolean) =>
    spectra.length === 0 ? [] : kickLayers(model, ids.slice(0, tokens), grows);
  const [kicked, grown] = [await kicks(KICKED, false), await kicks(GROWN, true)];
  const layers = spectra.map((spectrum, l) => layerOf(spectrum, kicked[l]!, grown[l]!));
  const trajectories = await layerTrajectories(model, ids, seed);
  const scaled = spectra.length === 0 ? await layerTrajectories(model, ids, seed, scaledRecurrence) : [];
  return {
    ...{ model: source.name, architecture: checkpoint.architecture, tokens: ids.length, seed },
    ...(mixed && { recurrent }),
    max: Math.max(...(layers.length > 0 ? layers : trajectories).map(({ max }) => max)),
    ...{ layers, trajectories, scaled },
    controls: [0.5, 3].map((gain) => ({ gain, max: controlExponent(gain, ids, seed) })),
    deviations: await measureDeviations(model, ids, seed),
    ...(!mixed && { loops: await loopExponents(model, ids, seed) }),
    scope: mixed ? `${SCOPE} ${MIXED}` : SCOPE,
  };
}

/** @throws for a model without recurrent layers */
function checkRecurrent(name: string, recurrent: readonly number[]): void {
  if (recurrent.length > 0) return;
  throw new Error(`${name}: its layers attend and keep no state of fixed size; expected a recurrent model`);
}

function layerOf({ exponents, standardError, fromQr }: Spectrum, kicked: Kicked, grown: Kicked): LayerExponents {
  const max = greatest(exponents);
  const memory = memoryOf(max);
  return {
    ...{ max, standardError, median: median(exponents), min: exponents.toSorted()[0]! },
    memory: Number.isFinite(memory) ? memory : null,
    ...{ fromQr, histogram: histogramOf(exponents), kicked, grown },
  };
}

function controlExponent(gain: number, ids: readonly number[], seed: number): number {
  const random = seededRandom(seed + 1);
  const draw = () => Float64Array.from({ length: UNITS }, () => random() - 0.5);
  const steps = Math.min(CONTROL_STEPS, ids.length);
  return benettin(tanhNetwork(gain, UNITS, seed, ids), draw(), [draw()], { steps })[0]!;
}

/** The middle value; of an even count, the mean of the middle two. */
function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}
