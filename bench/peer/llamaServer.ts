/**
 * llama.cpp through node-llama-cpp behind a minimal server: `llamaServer.mjs MODEL [SETTINGS]`. One context has as many
 * sequences as there are clients; sequences evaluated at the same time join one batch.
 */
import type { LlamaContextSequence } from "node-llama-cpp";
import { open } from "./model.ts";
import { servePeer } from "./serve.ts";
import { best } from "./settings.ts";

const [path = "", changes = "{}"] = process.argv.slice(2);
const SEQUENCES = 8;
/** The context length of each sequence, in tokens. */
const CONTEXT = 256;

const { model, context } = await open(path, CONTEXT, { ...best, ...JSON.parse(changes) }, SEQUENCES);
const free: LlamaContextSequence[] = Array.from({ length: SEQUENCES }, () => context.getSequence());

servePeer(async ({ prompt, max_tokens: most }: { prompt: string; max_tokens: number }) => {
  const sequence = free.pop();
  if (!sequence) throw new Error(`more than ${SEQUENCES} requests at once`);
  await sequence.clearHistory();
  const tokens = model.tokenize(prompt);
  const generated = [];
  for await (const token of sequence.evaluate(tokens, { temperature: 0, topK: 1, yieldEogToken: true }))
    if (generated.push(token) === most) break;
  free.push(sequence);
  const usage = { prompt_tokens: tokens.length, completion_tokens: generated.length };
  return { choices: [{ text: model.detokenize(generated) }], usage };
});
