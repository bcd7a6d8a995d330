import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import { Metadata } from "../../weights/gguf/metadata.ts";
import { traceHidden } from "../encoder/encoder-graphs.ts";
import { openDecoder, openEncoder } from "../registry.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-encoder-configs-"));
afterAll(() => rmSync(root, { recursive: true }));
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** Opens an encoder with a changed configuration. */
function changed(name: string, changes: Record<string, unknown>) {
  const folder = mkdtempSync(path.join(root, "model-"));
  cpSync(fixture(name), folder, { recursive: true });
  const file = path.join(folder, "config.json");
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...changes }));
  return () => openEncoder(openCheckpoint(folder), path.join(folder, "prepared"), "f32");
}

describe("an encoder's configuration that would change the numbers is refused by name", () => {
  test.each<[string, Record<string, unknown>, string]>([
    ["bert", { is_decoder: true }, '"is_decoder" is true, expected false; nothing else is supported'],
    ["bert", { position_embedding_type: "relative_key" }, '"position_embedding_type" is "relative_key", expected'],
    [
      "bert",
      { hidden_act: "swish" },
      '"hidden_act" is "swish", expected gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu, silu',
    ],
    ["bert", { tie_word_embeddings: false }, '"tie_word_embeddings" is false'],
    ["bert", { num_attention_heads: 5 }, "the model's headSize"],
    ["bert", { num_hidden_layers: -1 }, "the model's layers: Too small"],
    ["bert", { vocab_size: 1e9 }, "the model's vocabulary: Too big"],
    ["roberta", { position_embedding_type: "relative_key_query" }, '"position_embedding_type" is'],
    ["distilbert", { activation: "mish" }, '"activation" is "mish"'],
    ["modernbert", { classifier_activation: "relu" }, '"classifier_activation" is "relu", expected "gelu"'],
    ["modernbert", { layer_types: ["linear_attention"] }, '"layer_types" is "linear_attention"'],
    ["mpnet", { relative_attention_num_buckets: 16 }, '"relative_attention_num_buckets" is 16, expected 32'],
    ["nomicbert", { hidden_act: "gelu" }, '"hidden_act" is "gelu", expected "silu"'],
  ])("%s %j", async (name, changes, sentence) => {
    await expect(changed(name, changes)).rejects.toThrow(UserError);
    await expect(changed(name, changes)).rejects.toThrow(sentence);
  });

  test.each([
    ["nomicbert", { head_dim: 32 }],
    ["nomicbert", { hidden_size: 64 }],
    ["modernbert", { head_dim: 32 }],
  ])("%s %j: heads of another width than the weights', one sentence", async (name, changes) => {
    const { encoder, weights } = await changed(name, changes)();
    const attempt = () => weights.survey(() => traceHidden(encoder));
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(/tensor ".*" has shape \[.*\], expected \[.*\]/);
  });

  test("unknown keys that change nothing are passed over", async () => {
    const plain = await changed("bert", {})();
    const more = await changed("bert", { torch_dtype: "float16", gradient_checkpointing: true })();
    expect(JSON.stringify(more.encoder.config)).toBe(JSON.stringify(plain.encoder.config));
  });
});

describe("a GGUF that says which tokens are seen", () => {
  /** The fixture, with `attention.causal` set in its metadata. */
  function saying(file: string, causal: boolean): Checkpoint {
    const whole = openCheckpoint(fixture(file));
    if (whole.config.kind !== "gguf") throw new Error("expected a GGUF");
    const metadata = new Metadata("m.gguf");
    for (const [key, value] of whole.config.metadata) metadata.set(key, value);
    metadata.set(`${whole.architecture}.attention.causal`, causal);
    return { ...whole, config: { ...whole.config, path: "m.gguf", metadata } };
  }

  test("an encoder of causal attention, and a decoder of another, are refused by name", async () => {
    await expect(() => openEncoder(saying("bert/model.gguf", true), root, "f32")).rejects.toThrow(
      new UserError(`m.gguf: "bert.attention.causal" is true, expected false: an encoder's tokens see all others`),
    );
    await expect(() => openDecoder(saying("qwen2/model.gguf", false), root, "f32")).rejects.toThrow(
      new UserError(
        `m.gguf: "qwen2.attention.causal" is false, expected true: a decoder's tokens do not see later ones`,
      ),
    );
    await expect(openEncoder(saying("bert/model.gguf", false), root, "f32")).resolves.not.toThrow();
    await expect(openDecoder(saying("qwen2/model.gguf", true), root, "f32")).resolves.not.toThrow();
  });
});
