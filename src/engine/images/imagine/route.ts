/** One run of the network on the way from noise to images. */
export interface RouteStep {
  /** The time that the network is told. */
  readonly time: number;
  /** Multiplies images before the network reads them. */
  readonly scale: number;
  /** Puts as much noise into an image as the step begins with, in place. */
  noised(x: Float32Array, random: () => number): void;
  /** Puts an image one step on, in place, by what the network made of it. `random` is normal. */
  advance(x: Float32Array, output: Float32Array, random: () => number): void;
}

/** The way from noise to images. */
export interface Route {
  /** The deviation of the noise that images begin as. */
  readonly deviation: number;
  readonly steps: readonly RouteStep[];
}
