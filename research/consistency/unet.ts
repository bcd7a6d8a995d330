import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CONSISTENCY_SCHEDULER } from "../../src/models/image-generator/consistency-schedule.ts";
import { type WritableTensor, writeTensors } from "../../src/weights/safetensors/write.ts";
import { unpackedFolder } from "../../src/weights/sources/data-package.ts";
import { type OnnxTensor, onnxWeights } from "./onnx-weights.ts";

/** The package of a published consistency model of height maps, and the model's file in it. */
export const terrain = {
  data: { kind: "pypi", package: "adaptive-terrain-diffusion", version: "0.4.2" } as const,
  member: "terrain_diffusion/weights/terrain_consistency_unet_difficulty100.onnx",
};
export const terrainFile = path.join(unpackedFolder(terrain.data), terrain.member);

/** Difficulties from 0 to 100. */
const DIFFICULTIES = 101;
const [SIDE, WIDTHS, BLOCKS] = [128, [32, 32, 64, 96, 128], 4];
const attends = (level: number) => level >= 2;
const config = {
  ...{ _class_name: "UNet2DModel", sample_size: SIDE, in_channels: 1, out_channels: 1, block_out_channels: WIDTHS },
  ...{ layers_per_block: BLOCKS, norm_num_groups: 32, attn_norm_num_groups: 32, attention_head_dim: 32 },
  ...{ resnet_time_scale_shift: "scale_shift", downsample_type: "resnet", upsample_type: "resnet" },
  down_block_types: WIDTHS.map((_, i) => (attends(i) ? "AttnDownBlock2D" : "ResnetDownsampleBlock2D")),
  up_block_types: WIDTHS.map((_, i) => (attends(4 - i) ? "AttnUpBlock2D" : "ResnetUpsampleBlock2D")),
  num_class_embeds: DIFFICULTIES,
  scheduler: { _class_name: CONSISTENCY_SCHEDULER },
};

/** Modules of diffusers and of the file, in the order in which they are computed. */
function* modules(): Generator<readonly [theirs: string, ours: string, kind: "block" | "attention"]> {
  let at = 1;
  for (const level of WIDTHS.keys()) {
    for (let j = 0; j < BLOCKS; j++, at++) {
      yield [`input_blocks.${at}.0`, `down_blocks.${level}.resnets.${j}`, "block"];
      if (attends(level)) yield [`input_blocks.${at}.1`, `down_blocks.${level}.attentions.${j}`, "attention"];
    }
    if (level < WIDTHS.length - 1) yield [`input_blocks.${at++}.0`, `down_blocks.${level}.downsamplers.0`, "block"];
  }
  yield ["middle_block.0", "mid_block.resnets.0", "block"];
  yield ["middle_block.1", "mid_block.attentions.0", "attention"];
  yield ["middle_block.2", "mid_block.resnets.1", "block"];
  at = 0;
  for (const level of WIDTHS.keys()) {
    const attending = attends(WIDTHS.length - 1 - level);
    for (let j = 0; j <= BLOCKS; j++, at++) {
      yield [`output_blocks.${at}.0`, `up_blocks.${level}.resnets.${j}`, "block"];
      if (attending) yield [`output_blocks.${at}.1`, `up_blocks.${level}.attentions.${j}`, "attention"];
      if (j === BLOCKS && level < WIDTHS.length - 1)
        yield [`output_blocks.${at}.${attending ? 2 : 1}`, `up_blocks.${level}.upsamplers.0`, "block"];
    }
  }
}

const inBlock = {
  conv1: "in_layers.2",
  time_emb_proj: "emb_layers.1",
  conv2: "out_layers.3",
  conv_shortcut: "skip_connection",
};
const alone = {
  conv_in: "input_blocks.0.0",
  "time_embedding.linear_1": "time_embed.0",
  "time_embedding.linear_2": "time_embed.2",
  conv_out: "out.2",
};

/** The file's weights under diffusers' names. */
function renamed(checkpoint: ReadonlyMap<string, OnnxTensor>): Map<string, OnnxTensor> {
  const found = new Map<string, OnnxTensor>();
  let norms = 0;
  const take = (ours: string, theirs: string) => {
    for (const part of ["weight", "bias"]) {
      const tensor = checkpoint.get(`${theirs}.${part}`);
      if (tensor) found.set(`${ours}.${part}`, tensor);
    }
  };
  for (const [ours, theirs] of Object.entries(alone)) take(ours, `network.${theirs}`);
  for (const [theirs, ours, kind] of modules()) {
    if (kind === "block") {
      for (const norm of ["norm1", "norm2"]) take(`${ours}.${norm}`, `norm.${norms++}`);
      for (const [part, other] of Object.entries(inBlock)) take(`${ours}.${part}`, `network.${theirs}.${other}`);
    } else {
      take(`${ours}.group_norm`, `norm.${norms++}`);
      take(`${ours}.to_out.0`, `network.${theirs}.proj_out`);
      for (const part of ["weight", "bias"]) {
        const { shape, values } = checkpoint.get(`network.${theirs}.qkv.${part}`)!;
        const [third, size] = [shape[0]! / 3, values.length / 3];
        for (const [i, name] of ["to_q", "to_k", "to_v"].entries())
          found.set(`${ours}.${name}.${part}`, {
            shape: [third, ...shape.slice(1)],
            values: values.slice(i * size, (i + 1) * size),
          });
      }
    }
  }
  take("conv_norm_out", `norm.${norms}`);
  return found;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** A difficulty's vector, which the file computes from the number; here each integer is a class. */
function vectorOf(weights: ReadonlyMap<string, OnnxTensor>, difficulty: number): number[] {
  const part = (layer: number, of: string) => weights.get(`network.label_emb.${layer}.${of}`)!.values;
  const hidden = [...part(0, "weight")].map((weight, i) => weight * difficulty + part(0, "bias")[i]!);
  const active = hidden.map((x) => x * sigmoid(x));
  return [...part(2, "bias")].map((bias, row) =>
    active.reduce((sum, x, i) => sum + x * part(2, "weight")[row * active.length + i]!, bias),
  );
}

/** Writes the network of an ONNX file as a `UNet2DModel`, with a class for each difficulty. */
export async function writeUNet(file: string, folder: string): Promise<void> {
  const weights = onnxWeights(file);
  const classes = Array.from({ length: DIFFICULTIES }, (_, difficulty) => vectorOf(weights, difficulty));
  const table = { shape: [DIFFICULTIES, classes[0]!.length], values: Float32Array.from(classes.flat()) };
  const tensors = renamed(weights).set("class_embedding.weight", table);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  const written = ([name, { shape, values }]: [string, OnnxTensor]): [string, WritableTensor] => [
    name,
    { shape, values: () => values },
  ];
  await writeTensors(path.join(folder, "model.safetensors"), new Map([...tensors].map(written)));
}
