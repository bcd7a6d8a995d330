import { type ByteForm, byteFormKey, type Graph } from "../../graph/index.ts";
import { type Decoder, endsInAttention } from "../decoder/decoder.ts";
import { traceAfter, traceEmbedding, traceHead, traceLayers } from "./segments.ts";

/** The form of the layers' weights: the model's own, or bytes, which only prompts use. */
export type WeightForm = "own" | ByteForm;

/** The model's own form, for this many tokens that attend separately. */
interface ApartForm {
  readonly apart: number;
}

/** The form in which layers run: `images` is the model's own form for tokens that see later tokens of their image. */
export type LayerForm = WeightForm | "images" | ApartForm;

export const isApart = (form: LayerForm): form is ApartForm => typeof form === "object" && "apart" in form;

/** Names a form for use in keys. */
export function formKey(form: LayerForm): string {
  if (isApart(form)) return `apart ${form.apart}`;
  return typeof form === "string" ? form : byteFormKey(form);
}

/**
 * The number of layers per program: few enough for a small model's decode step to yield to the event loop, and enough
 * to keep the overhead small.
 */
const BLOCK = 5;

export const layersKey = (from: number, to: number, form: LayerForm = "own"): string =>
  `layers ${from} ${to} ${formKey(form)}`;
export const afterKey = (layer: number): string => `after ${layer}`;

/** Programs of one block share the kernels' packed weights. */
export const blockOf = (layer: number): string => `block ${Math.floor(layer / BLOCK)}`;

export const blocks = (decoder: Decoder): { from: number; to: number }[] => spansOf(decoder, []);

/** Divides the stack's layers into spans that cross no block border and no cut. */
export function spansOf({ config: { layers } }: Decoder, cuts: readonly number[]): { from: number; to: number }[] {
  const borders = Array.from({ length: Math.ceil(layers / BLOCK) }, (_, i) => i * BLOCK);
  const starts = [...new Set([...borders, ...cuts])].filter((at) => at < layers).sort((a, b) => a - b);
  return starts.map((from, i) => ({ from, to: starts[i + 1] ?? layers }));
}

/** The graphs of a dense run, compiled together. */
export function denseGraphs(decoder: Decoder): { key: string; block: string; trace: () => Graph }[] {
  const last = decoder.config.layers - 1;
  return [
    { key: "embedding", block: "embedding", trace: () => traceEmbedding(decoder) },
    ...blocks(decoder).map(({ from, to }) => ({
      ...{ key: layersKey(from, to), block: blockOf(from) },
      trace: () => traceLayers(decoder, from, to),
    })),
    ...(endsInAttention(decoder.config)
      ? [{ key: afterKey(last), block: blockOf(last), trace: () => traceAfter(decoder, last) }]
      : []),
    { key: "head", block: "head", trace: () => traceHead(decoder) },
  ];
}
