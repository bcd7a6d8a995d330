import { benettin, unitVector } from "./benettin.ts";
import { DecaySums } from "./closed-form.ts";
import { diagonalMap } from "./maps.ts";
import { OpenStates, type Recurrent, type ScanPart } from "./open-states.ts";

/** Maximum tokens per run. */
const CHUNK = 64;

/** Channels whose exponents are also computed by QR. */
const CHECKED = 4;

/** Parts of the text for comparing exponents. */
const PARTS = 8;

/** A layer's exponents on a text. */
export interface Spectrum {
  /** One per ΔA, shared by `share` elements of the state. */
  readonly exponents: Float64Array;
  readonly share: number;
  /** The standard error of the greatest exponent, over the text's parts. */
  readonly standardError: number;
  /** The greatest difference from QR with unit vectors, over the slowest channels and the first tokens. */
  readonly fromQr: number;
}

/** Reads ΔA from the running model, token by token, and sums it. Empty if layers have no ΔA: their Jacobians are not diagonal. */
export async function measureSpectra(model: Recurrent, ids: readonly number[]): Promise<Spectrum[]> {
  // A run is of one part of the text, so that a short text has all of them.
  const tokens = Math.min(CHUNK, Math.ceil(ids.length / PARTS));
  using states = await OpenStates.open(model, { rows: 1, tokens, length: ids.length, decays: true });
  const layers = states.scans.filter(({ decays }) => decays > 0).map((scan) => new LayerSums(scan));
  for (let at = 0; at < ids.length; at += tokens) {
    const chunk = ids.slice(at, at + tokens);
    await states.run([chunk]);
    const part = Math.floor((PARTS * at) / ids.length);
    for (const [l, layer] of layers.entries()) layer.add(states.decays(l, chunk.length), part);
  }
  return layers.map((layer) => layer.spectrum);
}

class LayerSums {
  readonly #whole: DecaySums;
  readonly #parts = new Map<number, DecaySums>();
  #fromQr: number | undefined;

  constructor(private readonly scan: ScanPart) {
    this.#whole = new DecaySums(scan.decays);
  }

  add(decays: Float32Array, part: number): void {
    this.#whole.add(decays);
    const sums = this.#parts.get(part) ?? new DecaySums(this.scan.decays);
    this.#parts.set(part, sums);
    sums.add(decays);
    this.#fromQr ??= qrDifference(this.#whole.exponents, decays);
  }

  get spectrum(): Spectrum {
    const { exponents } = this.#whole;
    const slowest = exponents.indexOf(greatest(exponents));
    const parts = [...this.#parts.values()].map((sums) => sums.exponents[slowest]!);
    return { exponents, share: this.scan.share, standardError: standardError(parts), fromQr: this.#fromQr! };
  }
}

/** `decays` [tokens, width]: the source of the exponents. */
function qrDifference(exponents: Float64Array, decays: Float32Array): number {
  const width = exponents.length;
  const order = [...exponents.keys()].sort((a, b) => exponents[b]! - exponents[a]!).slice(0, CHECKED);
  const steps = decays.length / width;
  const some = Float64Array.from({ length: steps * order.length }, (_, i) => {
    const token = Math.floor(i / order.length);
    return decays[token * width + order[i % order.length]!]!;
  });
  const units = order.map((_, i) => unitVector(order.length, i));
  const spectrum = benettin(diagonalMap(some, order.length), new Float64Array(order.length), units, { steps });
  return Math.max(...spectrum.map((exponent, i) => Math.abs(exponent - exponents[order[i]!]!)));
}

/** The maximum of more values than a call's arguments hold. */
export const greatest = (values: ArrayLike<number>): number => {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]!);
  return most;
};

export function standardError(values: readonly number[]): number {
  const n = values.length;
  if (n < 2) return Number.NaN;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (n - 1) / n);
}
