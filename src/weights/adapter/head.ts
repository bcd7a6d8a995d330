import type { Checkpoint, ConfigSource, StoredTensor } from "../checkpoint.ts";
import type { SafeTensor } from "../safetensors/header.ts";
import { readFloats } from "../safetensors/read.ts";
import { adapted, type Lora } from "./lora.ts";
import { doesNotFit, isMissing } from "./lora-layers.ts";

/**
 * Modules that an adapter may replace: in an encoder, the modules between its hidden states and its scores; in a
 * decoder, the head and the token table.
 */
export interface HeadModules {
  readonly all: readonly string[];
  /** An encoder's classifier. */
  readonly classifier?: {
    /** The classifier's class in transformers. */
    readonly className: string;
    /** The name of the last module, whose outputs are the scores. */
    readonly output: string;
    /** The name prefix of the classifier's other tensors, which a base model's file may omit. */
    readonly prefix: string;
  };
}

/**
 * Replaces a checkpoint's head with an adapter's trained head (PEFT's `modules_to_save`). A checkpoint without a head
 * becomes a classifier with as many labels as the new head has outputs.
 */
export function withHead(base: Checkpoint, lora: Lora, { classifier }: HeadModules): Checkpoint {
  const own = new Map([...lora.head].map(([name, tensor]) => [nameIn(base.tensors, name), tensor]));
  if (own.size === 0) return base;
  if (!classifier) requireSame(base, lora, own);
  const scores = classifier && lora.head.get(`${classifier.output}.weight`);
  return {
    ...adapted(base, lora),
    config: scores ? classifying(base.config, classifier.className, scores, lora.record?.labels) : base.config,
    tensors: new Map<string, StoredTensor>([
      ...base.tensors,
      ...[...own].map(([name, t]) => [name, { ...t, name }] as const),
    ]),
    floats(tensor, rows) {
      const saved = own.get(tensor.name);
      return saved ? readFloats(saved, rows) : base.floats(tensor, rows);
    },
  };
}

/** @throws UserError if a decoder's saved module is not in the base, such as a tied head, or has a different shape */
function requireSame({ tensors, path }: Checkpoint, lora: Lora, own: ReadonlyMap<string, SafeTensor>): void {
  const problems = [...own].flatMap(([name, { shape }]) => {
    const has = tensors.get(name)?.shape;
    if (!has) return [isMissing(name)];
    return has.join() === shape.join() ? [] : [`${name} is [${has.join(", ")}], the adapter's [${shape.join(", ")}]`];
  });
  if (problems.length > 0) throw doesNotFit(lora, path, problems);
}

/** Gives tensors their names in the classifier's class if the base model's file uses shorter names. */
export function underClassNames(whole: Checkpoint, lora: Lora, { classifier }: HeadModules): Checkpoint {
  const { prefix = "" } = classifier ?? {};
  if (lora.head.size === 0 || [...whole.tensors.keys()].some((name) => name.startsWith(prefix))) return whole;
  const nameOf = (name: string) => (lora.head.has(name) ? name : prefix + name);
  const renamed = [...whole.tensors].map(([name, tensor]) => [{ ...tensor, name: nameOf(name) }, tensor] as const);
  const originals = new Map(renamed.map(([{ name }, tensor]) => [name, tensor]));
  return {
    ...whole,
    tensors: new Map(renamed.map(([tensor]) => [tensor.name, tensor])),
    floats: ({ name }, rows) => whole.floats(originals.get(name)!, rows),
  };
}

/** The name in a base checkpoint, which may omit the outermost module's name. */
function nameIn(tensors: Checkpoint["tensors"], name: string): string {
  const inner = name.replace(/^[^.]+\./, "");
  return !tensors.has(name) && tensors.has(inner) ? inner : name;
}

/** The classifier's fields in config.json. Without `own` label names, the base's are kept if their number matches. */
function classifying(
  source: ConfigSource,
  className: string,
  { shape: [labels = 0] }: SafeTensor,
  own: readonly string[] | undefined,
): ConfigSource {
  if (source.kind === "gguf") return source;
  const named = own ? { ...own } : (source.config.id2label as Record<string, unknown> | null | undefined);
  const isSame = Object.keys(named ?? {}).length === labels;
  const id2label = isSame ? named : Object.fromEntries(Array.from({ length: labels }, (_, i) => [i, `LABEL_${i}`]));
  const label2id = Object.fromEntries(Object.entries(id2label!).map(([id, label]) => [label, Number(id)]));
  return { ...source, config: { ...source.config, architectures: [className], id2label, label2id } };
}
