import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { DraftFile } from "../src/savings/tokens/draft/artefact.ts";
import type { Field } from "../src/weights/gguf/fields.ts";
import type { WrittenType } from "../src/weights/gguf/quantize.ts";
import { type WritableGguf, writeGguf } from "../src/weights/gguf/write.ts";

interface Sizes {
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly ffn: number;
  readonly theta: number;
  readonly type: WrittenType;
}

/**
 * Writes the folder of a draft network, with its matrices in a storage type. `values` returns a tensor's numbers by
 * name.
 */
export async function writeDraft(
  folder: string,
  about: DraftFile,
  { hidden, heads, kvHeads, ffn, theta, type }: Sizes,
  values: (name: string, count: number) => Float32Array,
): Promise<void> {
  const keys = (hidden / heads) * kvHeads;
  const number = (value: number): Field => ["uint32", value];
  const own: Record<string, Field> = {
    ...{ block_count: number(1), context_length: number(32768), vocab_size: number(about.tokens.length) },
    ...{ embedding_length: number(hidden), feed_forward_length: number(ffn) },
    ...{ "attention.head_count": number(heads), "attention.head_count_kv": number(kvHeads) },
    ...{ "attention.layer_norm_rms_epsilon": ["float32", 1e-6], "rope.freq_base": ["float32", theta] },
  };
  const matrices = {
    "draft.join.weight": [hidden, 2 * hidden],
    "blk.0.attn_q.weight": [hidden, hidden],
    "blk.0.attn_k.weight": [keys, hidden],
    "blk.0.attn_v.weight": [keys, hidden],
    "blk.0.attn_output.weight": [hidden, hidden],
    "blk.0.ffn_gate.weight": [ffn, hidden],
    "blk.0.ffn_up.weight": [ffn, hidden],
    "blk.0.ffn_down.weight": [hidden, ffn],
  };
  const vectors = {
    ...{ "blk.0.attn_norm.weight": [hidden], "blk.0.ffn_norm.weight": [hidden] },
    ...{ "blk.0.attn_q.bias": [hidden], "blk.0.attn_k.bias": [keys], "blk.0.attn_v.bias": [keys] },
  };
  const tensors = Object.entries({ ...matrices, ...vectors }).map(
    ([name, shape]) =>
      [
        name,
        {
          shape,
          type: name in matrices ? type : ("F32" as const),
          values: () =>
            values(
              name,
              shape.reduce((a, b) => a * b),
            ),
        },
      ] as const,
  );
  const metadata: WritableGguf["metadata"] = new Map<string, Field>([
    ["general.architecture", ["string", "qwen2"]],
    ...Object.entries(own).map(([key, field]) => [`qwen2.${key}`, field] as const),
  ]);
  mkdirSync(folder, { recursive: true });
  await writeGguf(path.join(folder, "draft.gguf"), { metadata, tensors: new Map(tensors) });
  writeFileSync(path.join(folder, "draft.json"), `${JSON.stringify(about)}\n`);
}
