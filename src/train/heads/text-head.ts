import { addSpent, evalCost, type Spent } from "../../graph/index.ts";
import { Buffer } from "../../runtime/buffer.ts";
import type { Binding } from "../../runtime/program.ts";
import { type Batch, sizesOf } from "../data/batch.ts";
import type { Head, HeadLoss, HeadProgram, HeadPrograms, HeadTensors } from "./objective.ts";

/** A head over whole texts that processes a batch at once. */
export class TextHead implements Head {
  constructor(
    private readonly programs: HeadPrograms,
    /** The number of scores per label. */
    private readonly choices: (batch: Batch) => number,
  ) {}

  async forward(batch: Batch, { stream: x, inputs }: HeadTensors, spent: Spent): Promise<HeadLoss> {
    const { labels, labelled } = batch;
    const choices = this.choices(batch);
    using scores = new Buffer("f32", labelled * choices);
    const binding = { ...inputs, x, scores: scores.view([labelled, choices]) };
    const nats = await run(this.programs.forward, batch, binding, spent);
    const all = new Float32Array(scores.memory);
    const correct = labels.filter((label, i) => isHighest(all.subarray(i * choices, (i + 1) * choices), label)).length;
    return { nats, correct };
  }

  async backward(batch: Batch, weight: number, tensors: HeadTensors, spent: Spent): Promise<number> {
    const { stream: x, gradient: dx, inputs } = tensors;
    using weights = new Buffer("f32", batch.labelled);
    new Float32Array(weights.memory).fill(weight);
    const binding = { ...inputs, x, dx, weights: weights.view([batch.labelled]) };
    return await run(this.programs.backward, batch, binding, spent);
  }

  [Symbol.dispose](): void {}
}

async function run({ program, weights }: HeadProgram, batch: Batch, tensors: Binding, spent: Spent): Promise<number> {
  using nats = new Buffer("f32", batch.labelled);
  await program.bind({ ...weights, ...tensors, nats: nats.view([batch.labelled]) }).run();
  addSpent(spent, evalCost(program.cost, sizesOf(batch)));
  return new Float32Array(nats.memory).reduce((sum, each) => sum + each, 0);
}

const isHighest = (scores: Float32Array, at: number): boolean => scores.every((score) => score <= scores[at]!);
