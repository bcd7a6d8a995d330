import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load, type Model } from "../src/index.ts";
import { newDrawing } from "../src/train/methods/noise/subject.ts";
import { bare } from "../src/train/subject/subject.ts";
import type { Bench, Side } from "./harness.ts";
import { US } from "./sides.ts";
import { TrainChild } from "./train/child.ts";
import { python, script } from "./train/python.ts";
import { TORCH } from "./train/versions.ts";

const [IMAGES, STEPS] = [4, 20];

/** The weights are random, since a step's time does not depend on their values. */
const CONFIG = {
  _class_name: "UNet2DModel",
  ...{ sample_size: 32, in_channels: 3, out_channels: 3, layers_per_block: 2, block_out_channels: [32, 64, 64] },
  ...{ norm_num_groups: 8, attention_head_dim: 16, num_class_embeds: 11, freq_shift: 0, flip_sin_to_cos: true },
  down_block_types: ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
  up_block_types: ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
  scheduler: { num_train_timesteps: 1000, beta_start: 1e-4, beta_end: 0.02 },
};

async function write(folder: string): Promise<void> {
  const named = bare({ model_type: CONFIG._class_name });
  const checkpoint = { ...named, config: { kind: "huggingface", path: "architecture", config: CONFIG } } as const;
  using subject = newDrawing(checkpoint, { train: [], freezeMask: undefined }, 0);
  await subject.write(folder);
}

const perSecond = (seconds: number): number => (IMAGES * STEPS) / seconds;

function ours(folder: string): Side {
  let model: Model | undefined;
  return {
    name: US,
    async start() {
      model = await load(folder);
    },
    async run() {
      const started = performance.now();
      await model!.imagine({ class: "0", n: IMAGES, steps: STEPS });
      return perSecond((performance.now() - started) / 1000);
    },
    async stop() {
      model?.dispose();
    },
  };
}

function theirs(folder: string): Side {
  let child: TrainChild | undefined;
  return {
    name: TORCH,
    async start() {
      child = await TrainChild.start(await python(), [script("imagine_peer.py"), folder]);
    },
    run: async () => perSecond((await child!.call("draw", { images: IMAGES, steps: STEPS })).seconds),
    async stop() {
      await child?.stop();
    },
  };
}

/** Draws images of 32 × 32 pixels with DDIM, against PyTorch; in image steps per second. */
export const imagine: Bench = {
  ...{ name: "imagine", model: "a random U-Net", unit: "steps/s", moreIsBetter: true, lifetime: "kept" },
  async sides() {
    const folder = mkdtempSync(join(tmpdir(), "modicum-bench-imagine-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    await write(folder);
    return { ours: ours(folder), theirs: theirs(folder) };
  },
};
