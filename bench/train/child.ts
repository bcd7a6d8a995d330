import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { availableThreads } from "../../src/runtime/threads.ts";
import type { Batch } from "../../src/train/data/batch.ts";

/** A batch as JSON. */
export interface SentBatch {
  readonly rows: number;
  readonly ids: readonly number[];
  readonly labels: readonly number[];
}

export const sent = ({ rows, ids, labels }: Batch): SentBatch => ({ rows, ids: [...ids], labels: [...labels] });

/** The commands of a training side: each command's arguments and answer. Seconds are by the child's own clock. */
export interface TrainCommands {
  /** Runs one step per batch. Losses are nats per label. */
  steps: { args: { batches: readonly SentBatch[] }; answer: { seconds: number; losses: number[] } };
  /** Trains until an evaluation's held-out loss is at most `loss`, or until the run ends. */
  until: { args: { loss: number }; answer: { steps: number; loss: number } };
  /** Draws images of a U-Net's first class; `mean` averages all pixels. */
  draw: { args: { images: number; steps: number }; answer: { seconds: number; mean: number } };
  /** The process's peak resident memory. */
  peak: { args: Record<string, never>; answer: { bytes: number } };
}
type Name = keyof TrainCommands;

/** A training program: it prints `{"ready": true}`, then answers commands, one line of JSON each. */
export class TrainChild {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #replies: AsyncIterator<string>;

  private constructor(program: string, args: readonly string[]) {
    const threads = String(availableThreads());
    const env = { ...process.env, MODICUM_THREADS: threads, OMP_NUM_THREADS: threads };
    this.#process = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env });
    this.#process.stderr.pipe(process.stderr);
    this.#process.stdin.on("error", () => {});
    this.#replies = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves when the child is ready. @throws Error if it dies first */
  static async start(program: string, args: readonly string[]): Promise<TrainChild> {
    const child = new TrainChild(program, args);
    await child.#reply();
    return child;
  }

  /** @throws Error if the child died */
  async call<N extends Name>(command: N, args: TrainCommands[N]["args"]): Promise<TrainCommands[N]["answer"]> {
    this.#process.stdin.write(`${JSON.stringify({ command, ...args })}\n`);
    return (await this.#reply()) as TrainCommands[N]["answer"];
  }

  async #reply(): Promise<unknown> {
    const line = await this.#replies.next();
    if (line.done) throw new Error(`${this.#process.spawnargs.slice(0, 2).join(" ")} died`);
    return JSON.parse(line.value);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
}
