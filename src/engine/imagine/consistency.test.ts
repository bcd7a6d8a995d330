/**
 * A published consistency model of height maps, an ONNX file of PyPI's `adaptive-terrain-diffusion`, in this house's blocks:
 * its step equals ONNX Runtime's own run of the file (tools/reference/consistency.py).
 */
import { Buffer as Bytes } from "node:buffer";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { difference } from "../../models/encoder.testing.ts";
import { prepare } from "../../models/programs.ts";
import { openImageGenerator } from "../../models/registry.ts";
import { normals } from "../../util/normals.ts";
import { seededRandom } from "../../util/random.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { unpackedFolder } from "../../weights/sources/data-package.ts";
import { NoiseRunner } from "./noise-runner.ts";
import { type OnnxTensor, onnxWeights } from "./onnx-weights.testing.ts";
import { Painter } from "./painter.ts";

/** 39 MB, which a test does not download: `npx tsx tools/fetch-consistency.ts`. */
const file = path.join(
  unpackedFolder({ kind: "pypi", package: "adaptive-terrain-diffusion", version: "0.4.2" }),
  "terrain_diffusion/weights/terrain_consistency_unet_difficulty100.onnx",
);
const there = existsSync(file);
const reference = JSON.parse(readFileSync(new URL("fixtures/consistency.json", import.meta.url), "utf8")) as {
  readonly every: number;
  readonly cases: { seed: number; sigma: number; difficulty: number; pixels: string }[];
};
const folder = mkdtempSync(path.join(tmpdir(), "modicum-consistency-"));
afterAll(() => rmSync(folder, { recursive: true }));

const [SIDE, WIDTHS, BLOCKS] = [128, [32, 32, 64, 96, 128], 4];
const attends = (level: number) => level >= 2;
const config = {
  ...{ _class_name: "UNet2DModel", sample_size: SIDE, in_channels: 1, out_channels: 1, block_out_channels: WIDTHS },
  ...{ layers_per_block: BLOCKS, norm_num_groups: 32, attn_norm_num_groups: 32, attention_head_dim: 32 },
  ...{ resnet_time_scale_shift: "scale_shift", downsample_type: "resnet", upsample_type: "resnet" },
  down_block_types: WIDTHS.map((_, i) => (attends(i) ? "AttnDownBlock2D" : "ResnetDownsampleBlock2D")),
  up_block_types: WIDTHS.map((_, i) => (attends(4 - i) ? "AttnUpBlock2D" : "ResnetUpsampleBlock2D")),
  num_class_embeds: reference.cases.length,
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
function renamed(given: ReadonlyMap<string, OnnxTensor>): Map<string, OnnxTensor> {
  const found = new Map<string, OnnxTensor>();
  let norms = 0;
  const take = (ours: string, theirs: string) => {
    for (const part of ["weight", "bias"]) {
      const tensor = given.get(`${theirs}.${part}`);
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
        const { shape, values } = given.get(`network.${theirs}.qkv.${part}`)!;
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

/** A difficulty's vector, which the file computes of the number; here it is that of a class. */
function vectorOf(weights: ReadonlyMap<string, OnnxTensor>, difficulty: number): number[] {
  const part = (layer: number, of: string) => weights.get(`network.label_emb.${layer}.${of}`)!.values;
  const hidden = [...part(0, "weight")].map((weight, i) => weight * difficulty + part(0, "bias")[i]!);
  const active = hidden.map((x) => x * sigmoid(x));
  return [...part(2, "bias")].map((bias, row) =>
    active.reduce((sum, x, i) => sum + x * part(2, "weight")[row * active.length + i]!, bias),
  );
}

function checkpointOf(weights: ReadonlyMap<string, OnnxTensor>): Checkpoint {
  const classes = reference.cases.flatMap(({ difficulty }) => vectorOf(weights, difficulty));
  const table = { shape: [reference.cases.length, 128], values: Float32Array.from(classes) };
  const tensors = renamed(weights).set("class_embedding.weight", table);
  const stored = ([name, { shape, values }]: [string, OnnxTensor]) =>
    [name, { name, shape, type: "F32", bytes: values.byteLength }] as const;
  const never = () => undefined;
  return {
    ...{ path: file, files: [file], architecture: "UNet2DModel", form: never },
    config: { kind: "huggingface", path: file, config },
    tensors: new Map([...tensors].map(stored)),
    floats: ({ name, shape }, rows) => {
      const { values } = tensors.get(name)!;
      const row = values.length / shape[0]!;
      return values.slice(...(rows ?? [0, shape[0]!]).map((at) => at * row));
    },
    blocks: () => {
      throw new Error("no tensor is in blocks");
    },
  };
}

/** From noise to a clean image in one step (Song et al. 2023, section 3 and appendix C). */
function consistent(x: Float32Array, network: Float32Array, sigma: number): Float32Array {
  const [data, least] = [0.5, 0.002];
  const keep = data ** 2 / ((sigma - least) ** 2 + data ** 2);
  const take = (data * (sigma - least)) / Math.sqrt(sigma ** 2 + data ** 2);
  return x.map((value, i) => Math.max(-1, Math.min(1, keep * value + take * network[i]!)));
}

test.skipIf(!there)("a real consistency network's step is ONNX Runtime's own", async () => {
  const { model, weights } = openImageGenerator(checkpointOf(onnxWeights(file)), folder);
  const [network] = prepare(weights, () => Painter.trace(model));
  using runner = await NoiseRunner.compile(model.unet, network);
  for (const [row, { seed, sigma, pixels }] of reference.cases.entries()) {
    const random = normals(seededRandom(seed));
    const x = Float32Array.from({ length: SIDE ** 2 }, () => sigma * random());
    const scaled = x.map((value) => value / Math.sqrt(sigma ** 2 + 0.25));
    const found = consistent(x, await runner.run(scaled, [250 * Math.log(sigma)], [{ row }]), sigma);
    const expected = new Float32Array(new Uint8Array(Bytes.from(pixels, "base64")).buffer);
    const taken = [...expected.keys()].map((i) => found[i * reference.every]!);
    expect(new Set(taken).size).toBeGreaterThan(200);
    expect(difference(taken, expected)).toBeLessThan(1e-3);
  }
});
