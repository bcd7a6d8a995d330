import { getLlama, type LlamaContext, LlamaLogLevel, type LlamaModel } from "node-llama-cpp";
import type { Settings } from "./settings.ts";

/** The prebuilt CPU library as shipped; nothing is built or downloaded. */
export const backend = (threads: number) =>
  getLlama({
    build: "never",
    gpu: false,
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    maxThreads: threads,
  });

/** `contextSize` tokens per sequence, batches of 512. */
export async function open(
  path: string,
  contextSize: number,
  s: Settings,
  sequences = 1,
): Promise<{ model: LlamaModel; context: LlamaContext }> {
  const llama = await backend(s.threads);
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: s.mmap });
  const context = await model.createContext({
    contextSize,
    sequences,
    batchSize: Math.min(512, contextSize * sequences),
    threads: { ideal: s.threads, min: s.threads },
    flashAttention: s.flashAttention,
  });
  return { model, context };
}
