import { getLlama, type Llama, LlamaLogLevel, type Token } from "node-llama-cpp";

/** The number of positions evaluated at a time; each position yields logits for the whole vocabulary. */
const CHUNK = 16;

/** A row of logits for each token. */
export type Rows = readonly Float32Array[];

let opened: Promise<Llama | undefined> | undefined;

function openLlama(): Promise<Llama | undefined> {
  opened ??= getLlama({
    ...{ build: "never", gpu: false, skipDownload: true, progressLogs: false },
    ...{ logLevel: LlamaLogLevel.error, maxThreads: 1 },
  } as const).catch(() => undefined);
  return opened;
}

/** node-llama-cpp's logits after each token of a text, on the CPU; undefined if it has no library for this platform. */
export async function llamaLogits(
  file: string,
  tokens: readonly number[],
  adapter?: string,
): Promise<Rows | undefined> {
  const llama = await openLlama();
  if (!llama) return undefined;
  const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
  const context = await model.createContext({
    ...{ contextSize: tokens.length + 8, sequences: 1, threads: { ideal: 1, min: 1 } },
    ...(adapter !== undefined && { lora: { adapters: [{ filePath: adapter }] } }),
  });
  const sequence = context.getSequence();
  const rows: Float32Array[] = [];
  for (let from = 0; from < tokens.length; from += CHUNK) {
    const input = tokens
      .slice(from, from + CHUNK)
      .map((token): [Token, { generateNext: { logits: true } }] => [
        token as Token,
        { generateNext: { logits: true } },
      ]);
    for (const output of await sequence.controlledEvaluate(input)) {
      const logits = output!.next.logits!;
      const row = new Float32Array(logits.size);
      for (const [token, value] of logits) row[token] = value;
      rows.push(row);
    }
  }
  await model.dispose();
  return rows;
}

/** The mean Kullback–Leibler divergence of two models' distributions, in nats. */
export function meanKl(ours: Rows, theirs: Rows): number {
  const each = ours.map((row, i) => {
    const [p, q] = [logProbabilities(row), logProbabilities(theirs[i]!)];
    return p.reduce((sum, logP, token) => sum + Math.exp(logP) * (logP - q[token]!), 0);
  });
  return each.reduce((sum, kl) => sum + kl, 0) / each.length;
}

function logProbabilities(logits: Float32Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
  return Float64Array.from(logits, (logit) => logit - most - Math.log(total));
}
