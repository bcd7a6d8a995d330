import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import { train } from "./train.ts";

const colours = { red: { r: 220, g: 30, b: 30 }, blue: { r: 30, g: 30, b: 220 }, grey: { r: 99, g: 99, b: 99 } };
type Colour = keyof typeof colours;

/** A picture of one colour, as a file's bytes. */
export const plainPicture = (colour: Colour, side = 16): Promise<Buffer> =>
  sharp({ create: { width: side, height: side, channels: 3, background: colours[colour] } })
    .png()
    .toBuffer();

/** Trains a LLaVA of two layers to tell red pictures from blue ones; returns the model's folder, inside `within`. */
export async function trainedColours(within: string): Promise<string> {
  mkdirSync(within, { recursive: true });
  const lines: string[] = [];
  for (const colour of ["red", "blue"] as const) {
    writeFileSync(path.join(within, `${colour}.png`), await plainPicture(colour));
    lines.push(JSON.stringify({ image: `${colour}.png`, prompt: "which colour is it?", answer: colour }));
  }
  const data = path.join(within, "colours.jsonl");
  writeFileSync(data, lines.join("\n"));
  const layers = { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 48 };
  const architecture = {
    model_type: "llava",
    text_config: { ...layers, model_type: "llama", max_position_embeddings: 64, rms_norm_eps: 1e-5 },
    vision_config: { ...layers, image_size: 16, patch_size: 8 },
    ...{ vision_feature_layer: -1, projector_hidden_act: "gelu" },
  };
  const out = path.join(within, "model");
  const optimizer = { lr: 0.01, weightDecay: 0 };
  const run = { tokens: 16, batch: 2, steps: 40, validation: 0, evaluateEvery: 1000, schedule: { warmup: 5 } };
  await train({ architecture, tokenizer: "words", data, optimizer, ...run }, { out });
  return out;
}
