import { randomUUID } from "node:crypto";
import { evalDim, graphCost, sumCosts } from "../../graph/index.ts";
import type { AdapterRecord } from "../../weights/adapter/record.ts";
import { type Batch, sizesOf } from "../data/batch.ts";
import { layersOf, type Trainee, traceEmbeddingBackward, traceLayerPasses } from "../graphs/graphs.ts";
import { traceLossBackward } from "../graphs/loss.ts";
import { partsOf, type Shape } from "../graphs/stack.ts";
import type { MethodBill, WorkCount } from "../methods/method.ts";

/**
 * The cost of a training run; FLOPs count a multiply-add as 2. `dense` is the cost of the same steps without a method
 * and with nothing frozen.
 */
export interface TrainingReceipt {
  readonly id: string;
  readonly model: string;
  /** The training method and its options; "" for plain training. */
  readonly method: string;
  /** The number of positions in training steps, including padding. */
  readonly tokens: number;
  /** The number of samples in training steps, with repetitions. */
  readonly samples: number;
  readonly steps: number;
  readonly flops: {
    readonly dense: number;
    readonly spent: number;
    readonly overhead: number;
    readonly saved: number;
    /** The FLOPs of the forward passes of training steps and evaluations. */
    readonly forward: number;
    readonly backward: number;
    /** The FLOPs of the optimiser's matrix products: 0, since it works element by element. */
    readonly update: number;
  };
  /** Counters of the method. */
  readonly work?: Readonly<Record<string, WorkCount>>;
  /** The data's prompt format, with the hash of the model's chat template; absent if prompts have several formats. */
  readonly prompts?: AdapterRecord;
  /** Milliseconds in total, and in each part of the method's steps. */
  readonly ms: { readonly total: number } & Readonly<Record<string, number>>;
  readonly estimated: boolean;
}

/** The work that a run is billed for. */
export interface Work {
  readonly forward: number;
  readonly backward: number;
  readonly update: number;
  /** The FLOPs of the backward pass if nothing were frozen. */
  readonly denseBackward: number;
  readonly tokens: number;
  readonly samples: number;
  readonly steps: number;
  readonly ms: number;
  readonly method?: string | undefined;
  readonly bill?: MethodBill | undefined;
  readonly prompts?: AdapterRecord | undefined;
}

/** Adds up the work done in the stages of a training run. */
export function sumOfWork(stages: readonly Work[]): Work {
  const sum = (of: (work: Work) => number | undefined) => stages.reduce((all, work) => all + (of(work) ?? 0), 0);
  const counters = stages.flatMap(({ bill }) => (bill?.work ? [bill.work] : []));
  return {
    ...{ forward: sum((work) => work.forward), backward: sum((work) => work.backward) },
    ...{ update: sum((work) => work.update), denseBackward: sum((work) => work.denseBackward) },
    ...{ tokens: sum((work) => work.tokens), samples: sum((work) => work.samples) },
    ...{ steps: sum((work) => work.steps), ms: sum((work) => work.ms), prompts: stages.at(-1)?.prompts },
    bill: {
      ms: Object.assign({}, ...stages.map(({ bill }) => bill?.ms ?? {})),
      overhead: sum(({ bill }) => bill?.overhead),
      ...(counters.length > 0 && { work: Object.assign({}, ...counters) }),
    },
  };
}

export function trainingReceipt(model: string, { bill = {}, method = "", prompts, ...work }: Work): TrainingReceipt {
  const { forward, backward, update, denseBackward, tokens, samples, steps, ms } = work;
  const { overhead = 0, work: counters } = bill;
  const [spent, dense] = [forward + backward + update + overhead, forward + denseBackward + update];
  const flops = { dense, spent, overhead, saved: dense === 0 ? 0 : 1 - spent / dense, forward, backward, update };
  return {
    ...{ id: randomUUID(), model, method, tokens, samples, steps, flops },
    ...(counters && { work: counters }),
    ...(prompts && { prompts }),
    ...{ ms: { total: ms, ...bill.ms }, estimated: false },
  };
}

/** Returns a function that computes the FLOPs of a batch's backward pass. */
export function backwardFlops(whole: Trainee, shape: Shape, recompute: boolean): (batch: Batch) => number {
  const graphs = [
    ...layersOf(whole).map((l) => traceLayerPasses(whole, l, shape, { before: true, recompute }).backward),
    traceEmbeddingBackward(whole, shape),
  ];
  const { flops } = sumCosts(graphs.map((graph) => graphCost(graph)));
  const head = graphCost(traceLossBackward(whole, true)).flops;
  return (batch) =>
    partsOf(whole.stack, batch).reduce(
      (sum, part) => sum + evalDim(flops, sizesOf(part)),
      evalDim(head, sizesOf(batch)),
    );
}
