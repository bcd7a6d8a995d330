/** transformers.js with a 4-bit decoder, as a child that speaks `protocol.ts`. */
import path from "node:path";
import { AutoModelForCausalLM, env, type PreTrainedModel, StoppingCriteria, Tensor } from "@huggingface/transformers";
import { type Answer, type Args, seconds, serve } from "../protocol.ts";

/** The fastest setting for two cores; the default, the number of physical cores, may be 1. */
const THREADS = 2;

/** Records when each token arrived, without ever stopping generation. */
class Clock extends StoppingCriteria {
  readonly times: number[] = [];

  override _call(sequences: number[][]): boolean[] {
    this.times.push(performance.now());
    return sequences.map(() => false);
  }
}

let loaded: PreTrainedModel | undefined;

await serve({ load, prefill, decode });

async function load({ model }: Args<"load">): Promise<Answer<"load">> {
  const started = performance.now();
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(model);
  loaded = await AutoModelForCausalLM.from_pretrained(path.basename(model), {
    dtype: "q4",
    device: "cpu",
    session_options: { intraOpNumThreads: THREADS },
  });
  return { seconds: seconds(started) };
}

/** Generates `n` tokens greedily, even past an end token. */
async function generate(prompt: number[], n: number): Promise<{ tokens: number[]; times: number[] }> {
  if (!loaded) throw new Error("no model is loaded");
  const shape = [1, prompt.length];
  const clock = new Clock();
  const all = await loaded.generate({
    inputs: new Tensor("int64", BigInt64Array.from(prompt, BigInt), shape),
    attention_mask: new Tensor("int64", new BigInt64Array(prompt.length).fill(1n), shape),
    max_new_tokens: n,
    do_sample: false,
    eos_token_id: [],
    stopping_criteria: [clock],
  });
  return { tokens: Array.from((all as Tensor).data as BigInt64Array, Number).slice(prompt.length), times: clock.times };
}

async function prefill({ tokens }: Args<"prefill">): Promise<Answer<"prefill">> {
  const started = performance.now();
  const { times } = await generate(tokens, 1);
  return { seconds: (times[0]! - started) / 1000 };
}

async function decode({ tokens: prompt, n }: Args<"decode">): Promise<Answer<"decode">> {
  const { tokens, times } = await generate(prompt, n + 1);
  return { seconds: (times.at(-1)! - times[0]!) / 1000, tokens };
}
