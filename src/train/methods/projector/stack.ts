import { concat, type Graph, gather, reshape, type Tensor } from "../../../graph/index.ts";
import type { Decoder } from "../../../models/decoder/decoder.ts";
import { type ProjectorConfig, projected } from "../../../models/own-networks/projector.ts";
import type { WeightSource } from "../../../weights/weight-source.ts";
import type { Batch } from "../../data/batch.ts";
import { DecoderStack } from "../../graphs/decoder-stack.ts";
import type { BatchInput, Shape } from "../../graphs/stack.ts";

/** The executor's layers over rows of tokens, in which projected latent vectors replace the plan. */
export class ProjectorStack extends DecoderStack {
  constructor(
    decoder: Decoder,
    private readonly weights: WeightSource,
    private readonly config: ProjectorConfig & { readonly latents: number },
  ) {
    super(decoder);
  }

  override embed(g: Graph, shape: Shape): Tensor {
    const { rows, tokens } = shape;
    const { latents, from } = this.config;
    const states = g.input("latents", "f32", [rows, latents, from]);
    const flat = (x: Tensor, count: number) => reshape(x, [count, this.hidden]);
    const all = [
      flat(super.embed(g, shape), rows * tokens),
      flat(projected(g, this.weights, states, this.config), rows * latents),
    ];
    return gather(concat(all, 0), g.input("places", "i64", [rows, tokens]), 0);
  }

  override inputs(batch: Batch): Readonly<Record<string, BatchInput>> {
    const { rows, tokens } = batch;
    const { latents, from } = this.config;
    const values = new Float32Array(rows * latents * from);
    const places = Int32Array.from({ length: rows * tokens }, (_, i) => i);
    for (const [row, plan] of (batch.latents ?? []).entries()) {
      values.set(plan.states, row * latents * from);
      for (let i = 0; i < latents; i++) places[row * tokens + plan.at + i] = rows * tokens + row * latents + i;
    }
    return {
      ...super.inputs(batch),
      latents: { dtype: "f32", shape: [rows, latents, from], values },
      places: { dtype: "i64", shape: [rows, tokens], values: places },
    };
  }
}
