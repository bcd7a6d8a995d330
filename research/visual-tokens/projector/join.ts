/**
 * Joins DINOv2 and SmolLM2 by a projector, as a LLaVA that scales pictures to SIDE pixels:
 *
 *     npx tsx research/visual-tokens/projector/join.ts DATA SIDE OUT
 *
 * DATA has data.ts's drawings, and what `modicum export MODEL DATA/MODEL --format safetensors` writes of dinov2-small and smollm2.
 * The projector is fitted to the captions of DATA.
 */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tokenizerOf } from "../../../src/engine/file/tokenizer-of.ts";
import { type Checkpoint, openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { type WritableTensor, writeTensors } from "../../../src/weights/safetensors/write.ts";
import { fitted } from "./fit.ts";

/** DINOv2's patches of a side in training, pixels of a patch, and the id of a token that no caption has (`<filename>`). */
const [TRAINED_SIDE, PATCH, PLACE] = [37, 14, 4];
const PROJECTOR = "multi_modal_projector.";

const [data, sideText, out] = process.argv.slice(2);
if (!data || !sideText || !out)
  throw new Error("expected the folder of data, a side in pixels, and the result's folder");
const side = Number(sideText);
const [eyes, mouth] = [join(data, "dinov2-small"), join(data, "smollm2")];
const readJson = (folder: string, name: string) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const [image, text] = [readJson(eyes, "config.json"), readJson(mouth, "config.json")];
const [from, to]: [number, number] = [image.hidden_size, text.hidden_size];

const tensors = new Map<string, WritableTensor>();
function add(checkpoint: Checkpoint, rename: (name: string) => string | undefined): void {
  for (const [name, tensor] of checkpoint.tensors) {
    const renamed = rename(name);
    if (renamed) tensors.set(renamed, { shape: tensor.shape, values: () => checkpoint.floats(tensor) });
  }
}

/** The first token's position, and those of as many patches as a picture has, between DINOv2's nearest four each. */
function positionsOf(all: Float32Array): WritableTensor {
  const patches = side / PATCH;
  const values = new Float32Array((patches ** 2 + 1) * from);
  values.set(all.subarray(0, from));
  const near = Array.from({ length: patches }, (_, place) => {
    const at = ((place + 0.5) * TRAINED_SIDE) / patches - 0.5;
    const share = at - Math.floor(at);
    return [
      { at: Math.floor(at), share: 1 - share },
      { at: Math.ceil(at), share },
    ];
  });
  for (let to = from; to < values.length; to++) {
    const cell = Math.floor(to / from) - 1;
    for (const y of near[Math.floor(cell / patches)]!)
      for (const x of near[cell % patches]!)
        values[to]! += y.share * x.share * all[(y.at * TRAINED_SIDE + x.at + 1) * from + (to % from)]!;
  }
  return { shape: [1, patches ** 2 + 1, from], values: () => values };
}

/** Layers fitted to the drawings of training.jsonl and the rows of their captions' tokens. */
async function addFitted(speaking: Checkpoint): Promise<void> {
  const table = speaking.floats(speaking.tensors.get("model.embed_tokens.weight")!);
  const tokenizer = tokenizerOf(speaking, text.vocab_size);
  const lines = readFileSync(join(data!, "training.jsonl"), "utf8").trim().split("\n");
  const drawings = lines.map((line) => {
    const { image: file, answer } = JSON.parse(line);
    const ids = tokenizer.encode(answer);
    const row = new Float32Array(to).map((_, i) => ids.reduce((sum, id) => sum + table[id * to + i]!, 0) / ids.length);
    return { image: join(data!, file), row };
  });
  const size = Math.sqrt(table.reduce((sum, x) => sum + x * x, 0) / table.length);
  const found = await fitted(drawings, side, size, join(data!, `means-${side}.bin`));
  const add = (name: string, shape: number[], values: Float32Array) =>
    tensors.set(PROJECTOR + name, { shape, values: () => values });
  add("linear_1.weight", [to, from], found.first);
  add("linear_1.bias", [to], found.firstBias);
  add("linear_2.weight", [to, to], found.second);
  add("linear_2.bias", [to], found.secondBias);
}

const speaking = openCheckpoint(mouth);
add(speaking, (name) => `language_model.${name}`);
add(openCheckpoint(eyes), (name) =>
  name.startsWith("backbone.") ? name.replace("backbone", "vision_tower") : undefined,
);
const positions = "vision_tower.embeddings.position_embeddings";
tensors.set(positions, positionsOf(tensors.get(positions)!.values()));
await addFitted(speaking);

cpSync(mouth, out, { recursive: true, dereference: true, filter: (file) => !file.endsWith(".safetensors") });
const writeJson = (name: string, value: object) =>
  writeFileSync(join(out, name), `${JSON.stringify(value, null, 2)}\n`);
const { crop_size: _, ...processor } = readJson(eyes, "preprocessor_config.json");
writeJson("preprocessor_config.json", { ...processor, do_center_crop: false, size: { height: side, width: side } });
writeJson("config.json", {
  ...{ architectures: ["LlavaForConditionalGeneration"], model_type: "llava", image_token_index: PLACE },
  ...{ projector_hidden_act: "gelu", vision_feature_layer: -1, vision_feature_select_strategy: "default" },
  ...{ text_config: text, vision_config: { ...image, image_size: side }, tie_word_embeddings: true },
});
await writeTensors(join(out, "model.safetensors"), tensors);
