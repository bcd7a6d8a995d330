import { concat, gather, plus, reshape, scale, sigmoid, type Tensor, times, timesRows } from "../../graph/index.ts";
import { activateMlp } from "../../nn/mlp.ts";
import { expertQueries, mixAttended } from "../../nn/moe/attention.ts";
import { type ExpertBiases, mixFeedForwards } from "../../nn/moe/experts.ts";
import { type Routing, route } from "../../nn/moe/route.ts";
import { normalise } from "../../nn/norm.ts";
import type { Parts } from "../tensors/parts.ts";
import type { ExpertsConfig, TransformerConfig } from "./transformer.ts";

/** The mixtures of experts of one layer. */
export class ExpertLayer {
  /** Logits of the traced routers. */
  readonly routers: Tensor[] = [];

  constructor(
    private readonly config: TransformerConfig,
    private readonly experts: ExpertsConfig,
    private readonly parts: Parts,
    private readonly layer: number,
  ) {}

  /**
   * x [batch, tokens, hidden] → the mixture's output, of the same shape. `stream`: the router's input if the experts
   * run in parallel with a dense feed-forward.
   */
  feedForward(x: Tensor, stream?: Tensor): Tensor {
    const { hidden, activation, gated } = this.config;
    const { count, width, attention, shared, gatedInputs } = this.experts;
    const inside = gated ? { ffn_gate_exps: width, ffn_up_exps: width } : { ffn_up_exps: width };
    const matrices = {
      inside: this.parts.experts(hidden, this.#named(inside), count),
      down: this.parts.experts(width, this.#named({ ffn_down_exps: hidden }), count),
    };
    const biases = this.experts.biased ? this.#biases(inside) : undefined;
    const routing = stream ? this.#routedBeside(stream) : this.#routed(x);
    const mixed = mixFeedForwards(x, routing, matrices, activation, gated, { biases, gatedInputs });
    if (attention) return this.parts.bias(this.#name("ffn_mix"), mixed);
    return shared ? plus(mixed, this.#shared(x, shared)) : mixed;
  }

  #biases(inside: Readonly<Record<string, number>>): ExpertBiases {
    const table = ([part, width]: [string, number]) =>
      this.parts.table(`${this.#name(part)}.bias`, this.experts.count, width);
    return { inside: Object.entries(inside).map(table), down: table(["ffn_down_exps", this.config.hidden]) };
  }

  #routed(x: Tensor): Routing {
    const { gates, count } = this.experts;
    const biased = typeof gates === "object" && gates.biased;
    const bias = biased ? this.parts.vector(this.#name("exp_probs_b.bias"), count) : undefined;
    return route(this.#router("ffn_gate_inp", x), this.experts, bias);
  }

  /** Routes tokens by the stream, normalised with a gain, and scales each expert's gate. */
  #routedBeside(stream: Tensor): Routing {
    const { hidden, epsilon } = this.config;
    const gain = this.parts.vector(this.#name("ffn_gate_inp.scale"), hidden);
    const x = scale(normalise(stream, { kind: "rms", epsilon, gain }), 1 / Math.sqrt(hidden));
    const routing = route(this.#router("ffn_gate_inp", x), this.experts);
    const factors = this.parts.vector(this.#name("ffn_down_exps.scale"), this.experts.count);
    return { ...routing, gates: times(routing.gates, gather(factors, routing.chosen, 0)) };
  }

  /** x [batch, tokens, hidden] → the queries of each token's experts with shared keys and values, and the router's logits. */
  attentionIn(x: Tensor): { qkv: Tensor; beside: Tensor } {
    const { hidden, kvHeads, headSize } = this.config;
    const width = kvHeads * headSize;
    const beside = this.#router("attn_gate_inp", x);
    const matrices = this.parts.experts(hidden, this.#named({ attn_q_exps: width }), this.experts.count);
    const q = expertQueries(x, route(beside, this.experts), matrices, this.config);
    return { qkv: concat([q, this.parts.project(x, this.#named({ attn_kv: 2 * width }))], 2), beside };
  }

  /** Attention's result and the router's logits → the mixture's output [batch, tokens, hidden]. */
  attentionOut(attended: Tensor, logits: Tensor): Tensor {
    const { hidden, kvHeads, headSize } = this.config;
    const outputs = this.#named({ attn_output_exps: hidden });
    const matrices = this.parts.experts(kvHeads * headSize, outputs, this.experts.count);
    const mixed = mixAttended(attended, route(logits, this.experts), matrices, this.config);
    return this.parts.bias(this.#name("attn_mix"), mixed);
  }

  #shared(x: Tensor, { width, gated }: NonNullable<ExpertsConfig["shared"]>): Tensor {
    const { hidden, activation, gated: hasGate } = this.config;
    const outputs = hasGate ? { ffn_gate_shexp: width, ffn_up_shexp: width } : { ffn_up_shexp: width };
    const inside = this.parts.project(x, this.#named(outputs));
    const y = this.parts.project(activateMlp(inside, activation, hasGate), this.#named({ ffn_down_shexp: hidden }));
    if (!gated) return y;
    const gate = sigmoid(this.parts.router(this.#name("ffn_gate_inp_shexp"), x, 1));
    return timesRows(y, reshape(gate, x.shape.slice(0, -1)));
  }

  #router(name: string, x: Tensor): Tensor {
    const product = this.parts.router(this.#name(name), x, this.experts.count);
    const logits = this.experts.biased ? this.parts.bias(this.#name(name), product) : product;
    this.routers.push(logits);
    return logits;
  }

  #name(part: string): string {
    return `blk.${this.layer}.${part}`;
  }

  #named(outputs: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
    return Object.fromEntries(Object.entries(outputs).map(([part, n]) => [this.#name(part), n]));
  }
}
