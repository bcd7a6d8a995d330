/**
 * llama.cpp from process start to the first token of a chat: `coldLlama.mjs MODEL QUESTION` prints that token, then a
 * line of JSON with the milliseconds since process start and their parts. `backend` holds a process that node-llama-cpp
 * forks to try its library.
 */
import { backend } from "./model.ts";
import { best } from "./settings.ts";

const phases: Record<string, number> = {};
let last = 0;

/** Records the time since the last mark, or since the process started for the first mark. */
function mark(phase: string): void {
  const now = performance.now();
  phases[phase] = Math.round(now - last);
  last = now;
}

mark("import");
const [path = "", question = ""] = process.argv.slice(2);
const llama = await backend(best.threads);
mark("backend");
const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: best.mmap });
mark("model");
const context = await model.createContext({
  contextSize: 512,
  threads: best.threads,
  flashAttention: best.flashAttention,
});
mark("context");
const system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
const chat = `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;
const { value: token } = await context
  .getSequence()
  .evaluate(model.tokenize(chat, true), { temperature: 0, topK: 1 })
  .next();
if (token === undefined) throw new Error("the model answered nothing");
process.stdout.write(`${model.detokenize([token])}\n`);
mark("prompt");
process.stdout.write(`${JSON.stringify({ firstTokenMs: Math.round(last), phases })}\n`);
process.exit(0);
