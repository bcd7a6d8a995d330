import { type Graph, gather, reshape, sym, type Tensor } from "../../graph/index.ts";
import { type Decoder, inputWidth } from "../decoder/decoder.ts";

/** All layers' own inputs, [batch, tokens, layers · width], if the model has them: an output of the embedding, and an input of the layers. */
export const LAYER_INPUTS = "layerInputs";

/** Returns a layer's own input, from a graph input that is created on first use. */
export const inputIn =
  (g: Graph, { config }: Decoder, layer: number) =>
  (): Tensor => {
    const known = g.inputs.find(({ name }) => name === LAYER_INPUTS)?.tensor;
    const inputs = known ?? g.input(LAYER_INPUTS, "f32", [sym("batch"), sym("tokens"), inputWidth(config)]);
    return inputOf(inputs, config.layers, layer);
  };

/** One layer's own input, taken from all layers' inputs. */
export function inputOf(inputs: Tensor, layers: number, layer: number): Tensor {
  const [rows, tokens, width] = inputs.shape;
  const byLayer = reshape(inputs, [rows!, tokens!, layers, Number(width) / layers]);
  const bytes = new Uint8Array(BigInt64Array.of(BigInt(layer)).buffer);
  const place = inputs.graph.constant(`layer ${layer}`, { dtype: "i64", shape: [] }, { kind: "memory", bytes });
  return gather(byLayer, place, 2);
}
