import type { Tensor } from "../../graph/index.ts";
import type { MixerWeights } from "../../nn/mixer-weights.ts";
import type { Stream } from "../../nn/stream.ts";
import type { RecurrentBlock } from "./decoder.ts";
import type { TransformerLayer } from "./transformer-layer.ts";

/** A layer's computation on its normalised input [batch, tokens, hidden]. */
export interface Mixer {
  /** Runs entire sequences. */
  train(x: Tensor): Tensor;
  /** Runs new tokens, continuing from a state [batch, floats]. */
  run(x: Tensor, state: Tensor): { readonly y: Tensor; readonly state: Tensor };
}

/** A mixer's weights; a projection's parts are computed as one product (`together`) or several (`apart`). */
export interface LayerWeights {
  readonly together: MixerWeights;
  readonly apart: MixerWeights;
}

/** A transformer's layer with a mixer instead of attention. */
export class MixerLayer implements RecurrentBlock {
  readonly kind = "recurrent";

  constructor(
    private readonly layer: TransformerLayer,
    private readonly weights: LayerWeights,
    private readonly mixer: (weights: MixerWeights) => Mixer,
  ) {}

  get routers(): readonly Tensor[] {
    return this.layer.routers;
  }

  run(stream: Stream, state: Tensor): { readonly stream: Stream; readonly state: Tensor } {
    const { normed, residual } = this.layer.mixerIn(stream);
    const mixed = this.mixer(this.weights.together).run(normed, state);
    return { stream: this.layer.feedForward(this.layer.mixerOut(mixed.y, residual)), state: mixed.state };
  }

  update(stream: Stream, state: Tensor): Tensor {
    return this.mixer(this.weights.apart).run(this.layer.mixerIn(stream).normed, state).state;
  }

  train(stream: Stream): Stream {
    const { normed, residual } = this.layer.mixerIn(stream);
    const mixed = this.mixer(this.weights.together).train(normed);
    return this.layer.feedForward(this.layer.mixerOut(mixed, residual));
  }
}
