import type { z } from "zod";
import { suggest, UserError } from "../src/util/errors.ts";
import { type Bench, benchOptions, measure, type Survey } from "./harness.ts";
import { summarise, table } from "./report.ts";

/** A note on peers whose files a first run cannot prepare by itself. */
const ONNX = "its ONNX file is written by Python first: a run says how";

/** Every bench: its summary, and its module, loaded on demand. */
const benches: Readonly<Record<string, { summary: string; load: () => Promise<Bench | Survey> }>> = {
  decode: {
    summary: "128 tokens after a prompt of 512, against llama.cpp",
    load: async () => (await import("./decode.ts")).decode,
  },
  prefill: {
    summary: "a prompt of 512 tokens, against llama.cpp",
    load: async () => (await import("./prefill.ts")).prefill,
  },
  cold: {
    summary: "process start to first token, against llama.cpp",
    load: async () => (await import("./cold.ts")).cold,
  },
  load: {
    summary: "the call that loads until the model is ready, against llama.cpp",
    load: async () => (await import("./load.ts")).load,
  },
  memory: {
    summary: "peak resident memory at a context of 2,048, against llama.cpp",
    load: async () => (await import("./memory.ts")).memory,
  },
  "decode-batch": {
    summary: "8 sequences decoded together, against llama.cpp",
    load: async () => (await import("./decode-batch.ts")).decodeBatch,
  },
  segments: {
    summary: "one program per layer, against one for the whole stack",
    load: async () => (await import("./segments.ts")).segments,
  },
  exit: {
    summary: "tokens that exit after half of the layers, against all of them",
    load: async () => (await import("./exit.ts")).exit,
  },
  lookup: {
    summary: "code edited and a text quoted with drafts from the prompt, against dense",
    load: async () => (await import("./lookup.ts")).lookup,
  },
  "lookup-prose": {
    summary: "stories and explanations with the same drafts, against dense",
    load: async () => (await import("./lookup.ts")).lookupProse,
  },
  complete: {
    summary: "a completion of source code as its next key is typed, under the savings of --save, against dense",
    load: async () => (await import("./complete.ts")).complete,
  },
  receipts: {
    summary: "receipts on, against off",
    load: async () => (await import("./receipts.ts")).receipts,
  },
  embed: {
    summary: `1,000 sentences to MiniLM's vectors, against transformers.js (--model minilm; ${ONNX})`,
    load: async () => (await import("./embed.ts")).embed,
  },
  "transformers-js": {
    summary: `128 tokens after a prompt of 512 in 4 bits, against transformers.js (${ONNX})`,
    load: async () => (await import("./transformers-js.ts")).transformersDecode,
  },
  "transformers-js-prefill": {
    summary: `a prompt of 512 tokens in 4 bits, against transformers.js (${ONNX})`,
    load: async () => (await import("./transformers-js.ts")).transformersPrefill,
  },
  imagine: {
    summary: "4 images of 32 × 32 in 20 steps of a random U-Net, against PyTorch",
    load: async () => (await import("./imagine.ts")).imagine,
  },
  mamba: {
    summary: "a prompt of 512 tokens of a random Mamba-2, against the matrix products of its projections",
    load: async () => (await import("./mamba.ts")).mamba,
  },
  "mamba-decode": {
    summary: "64 tokens of a random Mamba-2 after 32,768 others, against after 128",
    load: async () => (await import("./mamba.ts")).mambaDecode,
  },
  diffuse: {
    summary: "steps of filling in masked tokens, with a cache of what comes before the block against without",
    load: async () => (await import("./diffuse.ts")).diffuse,
  },
  moe: {
    summary: "64 tokens of a random mixture of 8 experts, 2 of them active, against a dense model of equal active size",
    load: async () => (await import("./moe.ts")).moe,
  },
  "lab-overhead": {
    summary:
      "short items answered, judged and written by the lab, without a run's opening and report, against the model alone",
    load: async () => (await import("./lab-overhead.ts")).labOverhead,
  },
  "serve-batch": {
    summary: "8 clients of the server, 128 tokens in and 64 out, against llama.cpp behind a thin server",
    load: async () => (await import("./serve/batch.ts")).serveBatch,
  },
  "serve-prefix": {
    summary: "time to first token of 16 clients with one system prompt of 1,024 tokens, against one each",
    load: async () => (await import("./serve/prefix.ts")).servePrefix,
  },
  "serve-stream": {
    summary: "one stream over HTTP, against the library's call",
    load: async () => (await import("./serve/stream.ts")).serveStream,
  },
  "serve-embed": {
    summary: `32 clients' sentences to MiniLM's vectors, against transformers.js behind a thin server (--model minilm; ${ONNX})`,
    load: async () => (await import("./serve/embed.ts")).serveEmbed,
  },
  "serve-deterministic": {
    summary: "8 clients behind one known system prompt with the field deterministic, against without",
    load: async () => (await import("./serve/deterministic.ts")).serveDeterministic,
  },
  "serve-restart": {
    summary: "time to first token behind a long system prompt after a restart, kept on disk, against nothing kept",
    load: async () => (await import("./serve/restart.ts")).serveRestart,
  },
  "serve-stall": {
    summary: "how long running streams wait while a prompt of 4,096 tokens runs, against 1.3 times one chunk of it",
    load: async () => (await import("./serve/stall.ts")).serveStall,
  },
  price: {
    summary:
      "the milliseconds that a certificate predicts for an answer, against those it takes: the error is within 15 %",
    load: async () => (await import("./price.ts")).price,
  },
  structured: {
    summary: "an answer constrained to a JSON schema, against a free one",
    load: async () => (await import("./structured.ts")).structured,
  },
  rerank: {
    summary: "a window of 20 passages ranked by one token's logits, against the ranking written",
    load: async () => (await import("./rerank.ts")).rerankWindow,
  },
  "form-q8": {
    summary: "float weights rounded to 8 bits, against float32 (a model of floats)",
    load: async () => (await import("./forms.ts")).form("q8"),
  },
  "form-q4": {
    summary: "float weights rounded to 4 bits, against float32 (a model of floats)",
    load: async () => (await import("./forms.ts")).form("q4"),
  },
  "q8r-step": {
    summary: "64 steps with the layers in rotated bytes, against the default form",
    load: async () => (await import("./forms.ts")).rotated("step"),
  },
  "q8r-batch": {
    summary: "16 steps of 8 sequences in rotated bytes, against the default form",
    load: async () => (await import("./forms.ts")).rotated("batch"),
  },
  "q8r-prompt": {
    summary: "a prompt of 512 tokens in rotated bytes, against the default form",
    load: async () => (await import("./forms.ts")).rotated("prompt"),
  },
  index: {
    summary: "a query by terms over 100,330 chunks, against SQLite's FTS5; by terms and vectors beside it",
    load: async () => (await import("./index-search.ts")).index,
  },
  "index-dense": {
    summary: "a query by vector over 100,330 chunks, against libsql's function",
    load: async () => (await import("./index-search.ts")).indexDense,
  },
  "train-gpt": {
    summary: "a step of training a GPT of 10 million parameters, against PyTorch",
    load: async () => (await import("./train/gpt.ts")).trainGpt,
  },
  "train-lora": {
    summary: "a step of training LoRA layers on chats of 512 tokens, against PyTorch and PEFT",
    load: async () => (await import("./train/lora.ts")).trainLora,
  },
  "train-memory": {
    summary: "peak resident memory of such steps, against PyTorch and PEFT",
    load: async () => (await import("./train/lora.ts")).trainMemory,
  },
  "train-minilm": {
    summary: "a contrastive step of an encoder on 32 pairs of texts, against PyTorch (--model minilm)",
    load: async () => (await import("./train/minilm.ts")).trainMinilm,
  },
  "train-shakespeare": {
    summary: "a small GPT from random weights to a held-out loss of 1.90, against PyTorch",
    load: async () => (await import("./train/shakespeare.ts")).trainShakespeare,
  },
  "int8-prefill": {
    summary: "a prompt of 512 tokens with products in bytes, against dense",
    load: async () => (await import("./int8-prefill.ts")).int8Prefill,
  },
  "int8-prefill-2": {
    summary: "the same with two digits of each number, against dense",
    load: async () => (await import("./int8-prefill.ts")).int8PrefillTwo,
  },
  "int8-prefill-plain": {
    summary: "the same with one digit and no rotation, against dense",
    load: async () => (await import("./int8-prefill.ts")).int8PrefillPlain,
  },
  vision: {
    summary: "a prompt with 24 × 24 visual tokens through a random decoder under feather, against dense",
    load: async () => (await import("./vision.ts")).vision,
  },
  "vision-yopo": {
    summary: "the same prompt under yopo, against dense",
    load: async () => (await import("./vision.ts")).visionYopo,
  },
  savings: {
    summary: "every saving on requests for which it is meant, whole answers, against dense",
    load: async () => (await import("./savings.ts")).savings,
  },
  xattention: {
    summary: "block-sparse prefill of 8,000 tokens of real text, against dense",
    load: async () => (await import("./xattention.ts")).xattention,
  },
};

export function list(): { name: string; summary: string }[] {
  return Object.entries(benches).map(([name, { summary }]) => ({ name, summary }));
}

/** @throws UserError if there is no bench of that name */
export async function find(name: string): Promise<Bench | Survey> {
  if (Object.hasOwn(benches, name)) return benches[name]!.load();
  throw new UserError(`no bench is called "${name}"${suggest(name, Object.keys(benches))}`, 2);
}

/** @throws UserError if savings are missing, or if the bench does not accept any */
function checkSavings({ name, saves }: Bench | Survey, { save = [] }: z.input<typeof benchOptions>): void {
  if (saves && save.length === 0) throw new UserError(`${name}: expected --save, the savings to compare with dense`, 2);
  if (!saves && save.length > 0) throw new UserError(`${name} has its own recipes; expected no --save`, 2);
}

/** Runs one bench and prints its table, then its result as one line of JSON. */
export async function run(
  name: string,
  options: z.input<typeof benchOptions>,
  print: (text: string) => void = console.log,
): Promise<object> {
  const bench = await find(name);
  checkSavings(bench, options);
  if ("survey" in bench) {
    const result = await bench.survey(benchOptions.parse(options), print);
    print(JSON.stringify(result));
    return result;
  }
  const outcome = await measure(bench, benchOptions.parse(options));
  const result = summarise(outcome, options);
  print(table(outcome));
  print(JSON.stringify(result));
  return result;
}
