import { plus, type Tensor } from "../../graph/index.ts";
import type { MixerWeights } from "../../nn/mixer-weights.ts";
import type { Stream } from "../../nn/stream.ts";
import type { AttentionBlock, SideScales } from "./decoder.ts";
import type { LayerWeights, Mixer } from "./mixer-layer.ts";
import { scaled, type TransformerLayer } from "./transformer-layer.ts";

/** A transformer's layer in which attention and a mixer share one norm, and their outputs are added. */
export class SideBySideLayer implements AttentionBlock {
  readonly kind = "attention";

  constructor(
    private readonly layer: TransformerLayer,
    private readonly weights: LayerWeights,
    private readonly mixer: (weights: MixerWeights) => Mixer,
    private readonly scales: SideScales,
  ) {}

  get routers(): readonly Tensor[] {
    return this.layer.routers;
  }

  /** Passes the mixer's output alongside attention. */
  attentionIn(stream: Stream, state?: Tensor) {
    const { normed, residual } = this.layer.mixerIn(stream);
    const { qkv } = this.layer.qkv(scaled(normed, this.scales.attentionIn));
    const mixer = this.mixer(this.weights.together);
    const { y, ...next } = state ? mixer.run(normed, state) : { y: mixer.train(normed) };
    return { qkv, residual, beside: scaled(y, this.scales.mixerOut), ...next };
  }

  attentionOut(attended: Tensor, residual: Tensor, mixed: Tensor): Stream {
    const projected = scaled(this.layer.projected(attended), this.scales.attentionOut);
    return this.layer.mixerOut(plus(projected, mixed), residual);
  }

  feedForward(stream: Stream, share?: number, some?: Tensor): Stream {
    return this.layer.feedForward(stream, share, some);
  }

  update(stream: Stream, state: Tensor): Tensor {
    return this.mixer(this.weights.apart).run(this.layer.mixerIn(stream).normed, state).state;
  }
}
