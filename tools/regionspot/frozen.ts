import { FloatRunner } from "../../src/engine/regions/runner.ts";
import { Graph, reshape, sym, type Tensor, unit } from "../../src/graph/index.ts";
import type { ImageText } from "../../src/models/image-text.ts";
import { openImageText } from "../../src/models/open-vision.ts";
import { Parts } from "../../src/models/parts.ts";
import { probed } from "../../src/models/probe-head.ts";
import { prepare } from "../../src/models/programs.ts";
import { normalise } from "../../src/nn/norm.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { prefixed } from "../../src/weights/prefixed.ts";
import type { WeightSource } from "../../src/weights/weight-source.ts";

/**
 * The end of a tower of images, behind its last layer: a CLIP's norm and projection of one token, a SigLIP's norm and
 * pooling head, over as many tokens as it is given.
 */
export class Frozen implements Disposable {
  private constructor(
    private readonly runner: FloatRunner,
    private readonly width: number,
  ) {}

  /** `folder`: the model's; `cache`: where weights are prepared. */
  static async open(folder: string, cache: string): Promise<Frozen> {
    const { model, weights } = openImageText(openCheckpoint(folder), cache, "f32");
    const [end] = prepare(weights, () => [traceEnd(model, weights)]);
    return new Frozen(await FloatRunner.compile(end!), model.width);
  }

  /** Tokens, each [hidden], as one vector of length 1; a CLIP takes one token. */
  async project(tokens: readonly Float32Array[]): Promise<Float32Array> {
    const values = Float32Array.from(tokens.flatMap((token) => [...token]));
    const shape = [1, tokens.length, tokens[0]!.length];
    return (await this.runner.run({ tokens: { shape, values } }, { vector: [1, this.width] })).vector;
  }

  [Symbol.dispose](): void {
    this.runner[Symbol.dispose]();
  }
}

function traceEnd({ image: { config }, traits, width }: ImageText, weights: WeightSource): Graph {
  const { hidden, epsilon, probe } = config;
  const g = new Graph();
  const parts = new Parts(weights, g);
  const tokens = g.input("tokens", "f32", [1, probe ? sym("tokens") : 1, hidden]);
  const normed = normalise(tokens, parts.norm("v.output_norm", hidden, { norm: "layer", epsilon }));
  const pooled = probe ? probed(g, prefixed(weights, "v."), normed, zero(g), config) : normed;
  const projected = traits.projected.includes("v") ? parts.project(pooled, { "v.projection": width }) : pooled;
  g.output("vector", unit(reshape(projected, [1, width])));
  return g;
}

const zero = (g: Graph): Tensor =>
  g.constant("first_row", { dtype: "i64", shape: [1, 1] }, { kind: "memory", bytes: new Uint8Array(8) });
