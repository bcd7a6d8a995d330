/** llama.cpp through node-llama-cpp as a child that speaks `protocol.ts`; a JSON argument overrides settings. */
import type { LlamaContextSequence, Token } from "node-llama-cpp";
import { type Answer, type Args, seconds, serve } from "../protocol.ts";
import { open } from "./model.ts";
import { best, type Settings } from "./settings.ts";

const changes: Partial<Settings> = JSON.parse(process.argv[2] ?? "{}");
const chosen: Settings = { ...best, ...changes };
let sequences: LlamaContextSequence[] = [];

await serve({ load, prefill, decode, decodeBatch });

async function load({ model, context, sequences: count = 1 }: Args<"load">): Promise<Answer<"load">> {
  const started = performance.now();
  const { context: opened } = await open(model, context, chosen, count);
  sequences = Array.from({ length: count }, () => opened.getSequence());
  return { seconds: seconds(started) };
}

/** A sequence with an empty cache, so that no prefix is reused. */
async function empty(index = 0): Promise<LlamaContextSequence> {
  const sequence = sequences[index];
  if (!sequence) throw new Error(`no model is loaded with ${index + 1} sequences`);
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
  const generated: number[] = [];
  let started = 0;
  for await (const token of stream) {
    if (generated.push(token) === 1) started = performance.now();
    if (generated.length > n) break;
  }
  return { seconds: seconds(started), tokens: generated };
}

/** Sequences submitted in the same turn of the event loop join one batch. */
async function decodeBatch({ prompts, n }: Args<"decodeBatch">): Promise<Answer<"decodeBatch">> {
  const rows = await Promise.all(
    prompts.map(async (prompt, i) => {
      const stream = { evaluate, controlledEvaluate }[chosen.api](await empty(i), prompt as Token[]);
      return { stream: stream[Symbol.asyncIterator](), made: [] as number[] };
    }),
  );
  const step = async ({ stream, made }: (typeof rows)[number]) => made.push((await stream.next()).value);
  await Promise.all(rows.map(step));
  const started = performance.now();
  for (let i = 0; i < n; i++) await Promise.all(rows.map(step));
  const spent = seconds(started);
  await Promise.all(rows.map(({ stream }) => stream.return?.()));
  return { seconds: spent, tokens: rows.map((r) => r.made) };
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
