import path from "node:path";
import { load, type TrainInput } from "../../src/index.ts";
import { train } from "../../src/library/train.ts";
import { type Message, messagesOf, shuffled, writeLines } from "./data.ts";

/** The accuracy of an arm on the test set, and the cost of its training. */
export interface Arm {
  readonly head: "classes" | "embedding" | "none";
  readonly labels: "own" | "shuffled" | "none";
  readonly accuracy: number;
  readonly ci95: readonly [low: number, high: number];
  /** Held-out loss in nats, and accuracy on held-out training data. */
  readonly heldOut?: { readonly loss: number; readonly accuracy: number | undefined };
  readonly flops?: number;
  readonly minutes?: number;
}

export interface Setting {
  readonly source: string;
  readonly model: string;
  readonly steps: number;
  readonly folder: string;
}

const LR = 1e-4;

/** Trains both heads of an encoder on Banking77, each beside the control with shuffled labels, and scores the test set. */
export async function* arms({ source, model, steps, folder }: Setting): AsyncGenerator<Arm> {
  const [messages, test] = [messagesOf(source, "train"), messagesOf(source, "test")];
  yield { head: "none", labels: "none", ...(await nearest(model, test)) };
  for (const head of ["embedding", "classes"] as const)
    for (const labels of ["own", "shuffled"] as const) {
      const out = path.join(folder, `${head}-${labels}`);
      const data = `${out}.jsonl`;
      const taught = labels === "own" ? messages : shuffled(messages, 0);
      await writeLines(data, head === "classes" ? taught : taught.map((m) => ({ query: m.text, positive: m.label })));
      const options: TrainInput = {
        ...{ model, data, steps, batch: 32, tokens: 64, optimizer: { lr: LR, weightDecay: 0.01 } },
        ...{ schedule: { name: "linear", warmup: Math.round(steps / 10), minimum: 0 } },
        ...{ evaluateEvery: steps, saveEvery: steps },
      };
      let accuracy: number | undefined;
      const { loss, receipt } = await train(options, {
        ...{ out, reuse: "force" },
        onStep: (report) => {
          accuracy = report.accuracy ?? accuracy;
          if (report.step % 20 === 0) process.stderr.write(`${head} ${labels}: step ${report.step}, ${report.loss}\n`);
        },
      });
      const scored = head === "classes" ? await classified(out, test) : await nearest(out, test);
      const cost = { flops: receipt.flops.spent, minutes: receipt.ms.total / 6e4 };
      yield { head, labels, ...scored, heldOut: { loss: loss.best, accuracy }, ...cost };
    }
}

type Scored = Pick<Arm, "accuracy" | "ci95">;

async function classified(folder: string, test: readonly Message[]): Promise<Scored> {
  using model = await load(folder);
  const { results } = await model.classify(test.map(({ text }) => text));
  return scored(test.map(({ label }, i) => results[i]!.label === label));
}

/** The label whose name is nearest to the text, by cosine. */
async function nearest(name: string, test: readonly Message[]): Promise<Scored> {
  using model = await load(name);
  const labels = [...new Set(test.map(({ label }) => label))].sort();
  const { embeddings: names } = await model.embed(labels);
  const { embeddings: texts } = await model.embed(test.map(({ text }) => text));
  const closest = (text: Float32Array) => {
    const cosines = names.map((vector) => vector.reduce((sum, value, i) => sum + value * text[i]!, 0));
    return labels[cosines.indexOf(Math.max(...cosines))];
  };
  return scored(test.map(({ label }, i) => closest(texts[i]!) === label));
}

/** A share with its 95 % interval (Wilson). */
function scored(right: readonly boolean[]): Scored {
  const [n, z] = [right.length, 1.96];
  const accuracy = right.filter(Boolean).length / n;
  const centre = (accuracy + z ** 2 / (2 * n)) / (1 + z ** 2 / n);
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((accuracy * (1 - accuracy)) / n + z ** 2 / (4 * n ** 2));
  return { accuracy, ci95: [centre - half, centre + half] };
}
