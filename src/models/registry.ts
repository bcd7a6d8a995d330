import { suggest, UserError } from "../util/errors.ts";
import { Branches } from "../weights/adapter/branches.ts";
import type { HeadModules } from "../weights/adapter/head.ts";
import type { Lora } from "../weights/adapter/lora.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type Quant, Weights } from "../weights/prepared/weights.ts";
import { layoutOf } from "./adapter-layout.ts";
import type { EncoderArchitecture } from "./architecture.ts";
import { bert } from "./bert.ts";
import type { Architecture, Decoder } from "./decoder.ts";
import { distilbert } from "./distilbert.ts";
import type { Encoder } from "./encoder.ts";
import { ernie45 } from "./ernie4_5.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3 } from "./gemma3.ts";
import { gpt2 } from "./gpt2.ts";
import { granite } from "./granite.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { modernbert } from "./modernbert.ts";
import { nomicbert } from "./nomicbert.ts";
import { olmo2 } from "./olmo2.ts";
import { phi3 } from "./phi3.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";
import { roberta } from "./roberta.ts";
import type { Seq2Seq } from "./seq2seq.ts";
import { smollm3 } from "./smollm3.ts";
import { t5 } from "./t5.ts";
import { t5Encoder } from "./t5-encoder.ts";

/** Every decoder that runs: one line each. */
const decoders: readonly Architecture[] = [
  ernie45,
  gemma2,
  gemma3,
  gpt2,
  granite,
  llama,
  mistral,
  olmo2,
  phi3,
  qwen2,
  qwen3,
  smollm3,
];

/** Every encoder that runs: one line each. */
const encoders: readonly EncoderArchitecture[] = [bert, distilbert, modernbert, nomicbert, roberta, t5Encoder];

/** Every encoder with a decoder that runs: one line each. */
const seq2seqs = [t5] as const;

interface Named {
  readonly names: readonly string[];
}

/** The architecture of a checkpoint among `known`; throws a UserError when there is none of its name. */
function architectureOf<A extends Named>({ path, architecture: name }: Checkpoint, known: readonly A[]): A {
  const found = known.find((a) => a.names.includes(name));
  if (found) return found;
  const names = known.flatMap((a) => a.names);
  const all = [...decoders, ...encoders, ...seq2seqs].flatMap((a: Named) => a.names);
  if (all.includes(name))
    throw new UserError(`${path}: architecture "${name}" is of another kind, expected one of ${names.join(", ")}`);
  throw new UserError(
    `${path}: architecture "${name}" is not supported (supported: ${all.join(", ")})${suggest(name, all)}`,
  );
}

/** Whether a checkpoint is of an encoder that runs. */
export const isEncoder = ({ architecture }: Checkpoint): boolean =>
  encoders.some((a) => a.names.includes(architecture));

/** Whether a checkpoint is of an encoder with a decoder that runs. */
export const isSeq2Seq = ({ architecture }: Checkpoint): boolean =>
  seq2seqs.some((a) => a.names.includes(architecture));

/** Whether a checkpoint has parts beside the decoder that are not read, such as those of images. */
export const readsTextAlone = (checkpoint: Checkpoint): boolean =>
  architectureOf(checkpoint, decoders).unread(checkpoint).length > 0;

/** A decoder and the weights that its graphs are traced with. */
export interface OpenDecoder {
  readonly decoder: Decoder;
  readonly weights: Weights;
}

/**
 * Opens a checkpoint as the decoder it holds; its prepared weights are kept under `folder`. With an adapter, which is kept apart from them,
 * it computes what both together do. @throws UserError when it is none that runs
 */
export function openDecoder(whole: Checkpoint, folder: string, quant: Quant = "auto", adapter?: Lora): OpenDecoder {
  const architecture = architectureOf(whole, decoders);
  const unread = new Set(architecture.unread(whole));
  const checkpoint = { ...whole, tensors: new Map([...whole.tensors].filter(([name]) => !unread.has(name))) };
  const open = (branches?: Branches): OpenDecoder => {
    const weights = new Weights(checkpoint, folder, quant, architecture.tensors(checkpoint), undefined, branches);
    return { decoder: architecture.open(weights), weights };
  };
  const plain = open();
  return adapter ? open(new Branches(adapter, layoutOf(checkpoint, architecture, plain.decoder))) : plain;
}

/** What an adapter of a checkpoint may hold all of; undefined: of nothing, as a GGUF's tensors have other names than PEFT's. */
export function headModules(checkpoint: Checkpoint): HeadModules | undefined {
  if (checkpoint.config.kind === "gguf" || !isEncoder(checkpoint)) return undefined;
  const { modules } = architectureOf(checkpoint, encoders);
  return { all: ["cls", "cls.norm", "cls.output"].flatMap(modules), output: modules("cls.output")[0]! };
}

/** As `openDecoder`, for encoders. */
export function openEncoder(checkpoint: Checkpoint, folder: string, quant: Quant = "auto", adapter?: Lora): Encoder {
  const architecture = architectureOf(checkpoint, encoders);
  // GGUF has one name for several of Hugging Face's.
  const kin = checkpoint.config.kind === "gguf" ? encoders : [architecture];
  const modules = (canonical: string) => kin.flatMap((a) => a.modules(canonical));
  const branches = adapter && new Branches(adapter, { modules, row: (_, row) => row });
  return architecture.open(
    new Weights(checkpoint, folder, quant, architecture.tensors(checkpoint), undefined, branches),
  );
}

/** As `openDecoder`, for encoders with a decoder. */
export function openSeq2Seq(checkpoint: Checkpoint, folder: string, quant: Quant = "auto", adapter?: Lora): Seq2Seq {
  return architectureOf(checkpoint, seq2seqs).open(checkpoint, folder, quant, adapter);
}
