/** Our engine as a child process that speaks `protocol.ts`. */
import { Meter } from "../src/engine/bill/meter.ts";
import { tokenLogits } from "../src/engine/decode/run/stepped.ts";
import { argmax } from "../src/engine/decode/sampling/softmax.ts";
import { load as loadModel, type Model } from "../src/index.ts";
import { type Answer, type Args, seconds, serve } from "./protocol.ts";

let model: Model | undefined;

await serve({ load, prefill, decode, decodeBatch });

async function load({ model: path, quant }: Args<"load">): Promise<Answer<"load">> {
  const started = performance.now();
  model = await loadModel(path, quant && { quant });
  return { seconds: seconds(started) };
}

/** A slot with an empty cache, so that no prefix is reused, and a bill, as for every request. */
function empty(tokens: readonly number[]) {
  if (!model) throw new Error("no model is loaded");
  const { engine } = model.language;
  const slot = engine.acquire(tokens);
  slot.truncate(0);
  return { engine, slot, meter: new Meter(engine.programs) };
}

async function prefill({ tokens }: Args<"prefill">): Promise<Answer<"prefill">> {
  const { engine, slot, meter } = empty(tokens);
  const started = performance.now();
  await engine.prefill(slot, tokens, meter);
  engine.release(slot);
  return { seconds: seconds(started) };
}

async function decode({ tokens, n }: Args<"decode">): Promise<Answer<"decode">> {
  const { engine, slot, meter } = empty(tokens);
  const generated = [argmax(await engine.prefill(slot, tokens, meter))];
  const started = performance.now();
  while (generated.length <= n) generated.push(argmax(await engine.step(slot, generated.at(-1)!, meter)));
  const spent = seconds(started);
  engine.release(slot);
  return { seconds: spent, tokens: generated };
}

async function decodeBatch({ prompts, n }: Args<"decodeBatch">): Promise<Answer<"decodeBatch">> {
  const rows = [];
  for (const prompt of prompts) {
    const { engine, slot, meter } = empty(prompt);
    rows.push({ slot, meter, made: [argmax(await engine.prefill(slot, prompt, meter))] });
  }
  const { engine } = model!.language;
  const started = performance.now();
  for (let step = 0; step < n; step++) {
    const stepped = await engine.stepAll(rows.map(({ slot, meter, made }) => ({ slot, meter, token: made.at(-1)! })));
    for (const [i, { made }] of rows.entries()) made.push(argmax(tokenLogits(stepped[i]!)));
  }
  const spent = seconds(started);
  for (const { slot } of rows) engine.release(slot);
  return { seconds: spent, tokens: rows.map((r) => r.made) };
}
