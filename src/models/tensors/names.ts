import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names, TensorPlace } from "../../weights/prepared/names.ts";

/**
 * A name without `.weight` or `.bias`, or another description of the stored tensor. Experts' matrices have names with
 * `{expert}` in place of their number, or are blocks of a stack: `part` is the index among an expert's matrices, or
 * among the blocks of one matrix.
 */
export type StoredAs =
  | string
  | (Omit<TensorPlace, "block"> & {
      readonly name: string;
      readonly part?: readonly [at: number, of: number];
      /** True if the matrices form one linear layer in Hugging Face's code. */
      readonly oneLayer?: true;
    });

/** The canonical name of one expert's matrix, without `.weight`. */
export const expertName = (part: string, expert: number, experts: number): string => `${part}.${expert}/${experts}`;

/** Parses a canonical name into its parts. */
function parsed(canonical: string) {
  const [, layer, part, expert, experts, kind] =
    /^(?:blk\.(\d+)\.)?([\w.]+?)(?:\.(\d+)\/(\d+))?\.(weight|bias)$/.exec(canonical) ?? [];
  return { layer, part, kind, ...(expert !== undefined && { expert: { at: Number(expert), of: Number(experts) } }) };
}

/**
 * A GGUF's names are canonical. A GGUF stacks experts' matrices, sometimes with gates above ups in one stack; the
 * oldest files with experts have separate matrices.
 */
const inGguf =
  (tensors: Checkpoint["tensors"], { gguf: aliases = {}, turned = [] }: Scheme) =>
  (canonical: string): string | TensorPlace => {
    const [, place = "", name = ""] = /^(blk\.\d+\.)?(.+)$/.exec(canonical) ?? [];
    const alias = aliases[name];
    if (alias !== undefined && !tensors.has(canonical)) return place + alias;
    const { layer, part, kind, expert } = parsed(canonical);
    if (!expert) return canonical;
    const alone = `blk.${layer}.${part!.replace("_exps", "")}.${expert.at}.${kind}`;
    if (tensors.has(alone)) return alone;
    const both = `blk.${layer}.ffn_gate_up_exps.${kind}`;
    if (tensors.has(both) && part !== "ffn_down_exps") {
      const at = 2 * expert.at + (part === "ffn_up_exps" ? 1 : 0);
      return { name: both, block: { at, of: 2 * expert.of, matrices: expert.of } };
    }
    const stack = { name: `blk.${layer}.${part}.${kind}`, block: { ...expert, matrices: expert.of } };
    return turned.includes(part!) ? { ...stack, transposed: true } : stack;
  };

/** Tensor names in an architecture's Hugging Face checkpoints. */
export interface Scheme {
  /** Possible prefixes of every name; the first one that fits the checkpoint is used, or else no prefix. */
  readonly prefixes: readonly string[];
  /** The text before a layer's number. */
  readonly layers: string;
  /** Names in a layer, keyed by GGUF's name of the part (`attn_q`). */
  readonly parts: Readonly<Record<string, StoredAs>>;
  /** A layer's names of tensors that do not end in `.weight` or `.bias`, keyed by GGUF's full name (`ssm_dt.bias`). */
  readonly bare?: Readonly<Record<string, string>>;
  /** Names outside the layers, keyed by GGUF's name (`token_embd`); a name that begins with a slash has no prefix. */
  readonly top: Readonly<Record<string, StoredAs>>;
  /** GGUF's alternative names for a tensor, by its canonical name without the layer (`output_norm.weight`). */
  readonly gguf?: Readonly<Record<string, string>>;
  /** Parts whose stacked matrices are stored as [inputs, outputs] in a GGUF. */
  readonly turned?: readonly string[];
}

/** Maps canonical names to the checkpoint's names; a GGUF's names are the same. */
export function namesOf({ config, tensors }: Checkpoint, scheme: Scheme): Names {
  if (config.kind === "gguf") return inGguf(tensors, scheme);
  const probe = stored(Object.values(scheme.top)[0]!, "weight").name;
  const prefix = scheme.prefixes.find((p) => tensors.has(p + probe)) ?? scheme.prefixes[0]!;
  return (canonical) => {
    const bare = bareName(canonical, scheme);
    if (bare !== undefined) return prefix + bare;
    const { layer, part, kind, expert } = parsed(canonical);
    const known = (layer === undefined ? scheme.top : scheme.parts)[part ?? ""];
    if (known === undefined) return canonical;
    const entry = stored(known, kind!, expert);
    const place = layer === undefined ? entry.name : `${scheme.layers}.${layer}.${entry.name}`;
    const name = place.startsWith("/") ? place.slice(1) : prefix + place;
    if (tensors.has(name)) return { ...entry, name };
    return (expert && stackedExpert(name, expert, tensors)) ?? { ...entry, name: otherName(name, tensors) };
  };
}

/** The name, without a prefix, of a tensor that does not end in `.weight` or `.bias`; undefined for other tensors. */
function bareName(canonical: string, { layers, bare = {} }: Scheme): string | undefined {
  const [, layer, part] = /^blk\.(\d+)\.(.+)$/.exec(canonical) ?? [];
  return part !== undefined && Object.hasOwn(bare, part) ? `${layers}.${layer}.${bare[part]}` : undefined;
}

/** Adds the stored shapes of tensors whose shapes differ from the model's, keyed by GGUF's name of the part. */
export function shapedNames(names: Names, shapes: Readonly<Record<string, readonly number[]>>): Names {
  return (canonical) => {
    const entry = names(canonical);
    const shape = shapes[/^blk\.\d+\.(.+)$/.exec(canonical)?.[1] ?? ""];
    return shape ? { ...(typeof entry === "string" ? { name: entry } : entry), shape } : entry;
  };
}

/** Possible names of a matrix's module in Hugging Face's code, by its canonical name without `.weight`. */
export function modulesOf(canonical: string, { prefixes, layers, parts, top }: Scheme): string[] {
  const [, layer, part] = /^(?:blk\.(\d+)\.)?([\w.]+)$/.exec(canonical) ?? [];
  const known = (layer === undefined ? top : parts)[part ?? ""];
  if (known === undefined) return [];
  if (typeof known !== "string" && known.part && !known.oneLayer) return [];
  const name = typeof known === "string" ? known : known.name;
  const place = layer === undefined ? name : `${layers}.${layer}.${name}`;
  return place.startsWith("/") ? [place.slice(1)] : prefixes.map((prefix) => prefix + place);
}

/** The index of a matrix in a linear layer of several matrices; undefined if it is the only one. */
export function partOf(canonical: string, { parts }: Scheme): readonly [at: number, of: number] | undefined {
  const known = parts[canonical.replace(/^blk\.\d+\./, "")];
  return typeof known === "object" && known.oneLayer ? known.part : undefined;
}

/** An expert's matrix in a checkpoint that stacks all experts, gates above ups; undefined for other checkpoints. */
function stackedExpert(
  name: string,
  { at, of }: { readonly at: number; readonly of: number },
  tensors: Checkpoint["tensors"],
): TensorPlace | undefined {
  const [, experts, part] = /^(.*\.experts\.)\d+\.(gate|up|down)_proj\.weight$/.exec(name) ?? [];
  const stack = `${experts}${part === "down" ? "down_proj" : "gate_up_proj"}`;
  if (experts === undefined || !tensors.has(stack)) return undefined;
  if (part === "down") return { name: stack, block: { at, of, matrices: of } };
  return { name: stack, block: { at: 2 * at + (part === "up" ? 1 : 0), of: 2 * of, matrices: of } };
}

/** Names of parameters outside modules, such as stacks of experts, and TensorFlow's names of a norm's gain and shift, as in BERT's first checkpoints. */
function otherName(name: string, tensors: Checkpoint["tensors"]): string {
  const others = [name.replace(/\.weight$/, ""), name.replace(/\.weight$/, ".gamma").replace(/\.bias$/, ".beta")];
  return others.find((other) => tensors.has(other)) ?? name;
}

function stored(as: StoredAs, kind: string, expert?: { readonly at: number; readonly of: number }): TensorPlace {
  if (typeof as === "string") return { name: `${as.replace("{expert}", String(expert?.at))}.${kind}` };
  const { transposed, part, oneLayer: _, ...rest } = as;
  const [at, of] = part ?? [0, 1];
  return {
    ...rest,
    name: `${as.name}.${kind}`,
    ...(transposed && kind === "weight" && { transposed }),
    ...(part && {
      block: expert ? { at: expert.at * of + at, of: expert.of * of, matrices: expert.of } : { at, of },
    }),
  };
}

/** The tensor names of Llama, which most decoders also use. */
export const llamaNames: Scheme = {
  prefixes: ["model.", "", "language_model.model.", "model.language_model."],
  layers: "layers",
  parts: {
    attn_norm: "input_layernorm",
    attn_q: "self_attn.q_proj",
    attn_k: "self_attn.k_proj",
    attn_v: "self_attn.v_proj",
    attn_output: "self_attn.o_proj",
    attn_q_norm: "self_attn.q_norm",
    attn_k_norm: "self_attn.k_norm",
    ffn_norm: "post_attention_layernorm",
    ffn_gate: "mlp.gate_proj",
    ffn_up: "mlp.up_proj",
    ffn_down: "mlp.down_proj",
  },
  top: { token_embd: "embed_tokens", output_norm: "norm", output: "/lm_head" },
};

/** Returns the scheme with other names for some parts. */
export const withParts = (scheme: Scheme, parts: Scheme["parts"]): Scheme => ({
  ...scheme,
  parts: { ...scheme.parts, ...parts },
});

/** Returns the scheme for norms stored as their gain minus one, as in Gemma. */
export function offsetNorms(scheme: Scheme): Scheme {
  const offset = ([part, as]: [string, StoredAs]): [string, StoredAs] =>
    part.endsWith("norm") && typeof as === "string" ? [part, { name: as, plus: 1 }] : [part, as];
  const all = (parts: Scheme["parts"]) => Object.fromEntries(Object.entries(parts).map(offset));
  return { ...scheme, parts: all(scheme.parts), top: all(scheme.top) };
}
