/** llama.cpp through node-llama-cpp as a child that speaks `protocol.ts`. Its one argument, optional, is JSON of the settings that differ from the best. */
import type { LlamaContextSequence, Token } from "node-llama-cpp";
import { type Answer, type Args, seconds, serve } from "../protocol.ts";
import { open } from "./model.ts";
import { best, type Settings } from "./settings.ts";

const changes: Partial<Settings> = JSON.parse(process.argv[2] ?? "{}");
const chosen: Settings = { ...best, ...changes };
let sequence: LlamaContextSequence | undefined;

await serve({ load, prefill, decode });

async function load({ model, context }: Args<"load">): Promise<Answer<"load">> {
  const started = performance.now();
  sequence = (await open(model, context, chosen)).context.getSequence();
  return { seconds: seconds(started) };
}

/** The sequence with nothing in its cache, so that no prefix is reused. */
async function empty(): Promise<LlamaContextSequence> {
  if (!sequence) throw new Error("no model is loaded");
  await sequence.clearHistory();
  return sequence;
}

async function prefill({ tokens }: Args<"prefill">): Promise<Answer<"prefill">> {
  const cleared = await empty();
  const started = performance.now();
  await cleared.evaluateWithoutGeneratingNewTokens(tokens as Token[]);
  return { seconds: seconds(started) };
}

async function decode({ tokens, n }: Args<"decode">): Promise<Answer<"decode">> {
  const stream = { evaluate, controlledEvaluate }[chosen.api](await empty(), tokens as Token[]);
  const made: number[] = [];
  let started = 0;
  for await (const token of stream) {
    if (made.push(token) === 1) started = performance.now();
    if (made.length > n) break;
  }
  return { seconds: seconds(started), tokens: made };
}

function evaluate(sequence: LlamaContextSequence, tokens: Token[]): AsyncIterable<Token> {
  return sequence.evaluate(tokens, { temperature: 0, topK: 1, yieldEogToken: true });
}

async function* controlledEvaluate(sequence: LlamaContextSequence, tokens: Token[]): AsyncIterable<Token> {
  const next = { generateNext: { token: true, options: { temperature: 0, topK: 1 } } };
  for (let input = tokens; ; ) {
    const out = await sequence.controlledEvaluate([...input.slice(0, -1), [input.at(-1)!, next]]);
    const token = out.at(-1)?.next.token;
    if (token === null || token === undefined) throw new Error("no token was sampled");
    yield token;
    input = [token];
  }
}
