import { existsSync } from "node:fs";
import { join } from "node:path";
import { openBase } from "../../src/library/train.ts";
import { home } from "../../src/weights/sources/index.ts";
import type { Bench, BenchOptions } from "../harness.ts";
import { longChats } from "./chats.ts";
import { type Prepared, prepare } from "./peer.ts";
import { command, python, script } from "./python.ts";
import { msPerStep, peakMegabytes, trainSides } from "./side.ts";
import { PEFT } from "./versions.ts";

const [TOKENS, CHATS, STEPS] = [512, 64, 2];

/** LoRA layers of rank 8 on a float32 model, with chats of 512 tokens and the assistants' turns as labels. */
async function prepareLora(path: string, quant: "f32" | "auto"): Promise<Prepared> {
  const { tokenizer } = await openBase(path, {});
  return prepare({
    ...{ model: path, lora: {}, quant, data: longChats(tokenizer, TOKENS, CHATS), tokens: TOKENS, batch: 1 },
    ...{ validation: 0, evaluateEvery: 1_000_000, epochs: 1000, schedule: { name: "constant" } },
  });
}

/** The model in PyTorch's format: float32 in a Hugging Face folder, written by the first call. */
async function floatBase({ model, path }: BenchOptions): Promise<string> {
  const folder = join(home(), "peers", `${model}-floats`);
  if (!existsSync(join(folder, "model.safetensors")))
    await command(await python(), [script("train_base.py"), path, folder]);
  return folder;
}

async function peer(options: BenchOptions, { folder }: Prepared) {
  return { name: PEFT, script: "train_lora.py", args: [await floatBase(options), folder] };
}

/** Whole LoRA training steps on a frozen float32 model. */
export const trainLora: Bench = {
  name: "train-lora",
  unit: "ms/step",
  moreIsBetter: false,
  lifetime: "kept",
  async sides(options) {
    const prepared = await prepareLora(options.path, "f32");
    return trainSides({ prepared, steps: STEPS, peer: await peer(options, prepared), measure: msPerStep(STEPS) });
  },
};

/** The peak resident memory of a process that runs three steps of LoRA; our side keeps the model's own format. */
export const trainMemory: Bench = {
  name: "train-memory",
  unit: "MB",
  moreIsBetter: false,
  lifetime: "fresh",
  async sides(options) {
    const prepared = await prepareLora(options.path, "f32");
    return trainSides({ prepared, steps: 3, peer: await peer(options, prepared), measure: peakMegabytes });
  },
};
