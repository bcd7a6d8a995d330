import { evalShape, inPrecision, type PrecisionPolicy, roundings } from "../../graph/index.ts";
import { count } from "../../graph/ndarray.ts";
import { isRecurrent } from "../../models/decoder.ts";
import { exportedDecoder } from "../../models/export-graphs.ts";
import { prepare } from "../../models/programs.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import { OpenStates, type Recurrent } from "../lyapunov/open-states.ts";

/** A language model and its weights. */
export type OpenModel = Recurrent;

/** Logits [tokens, vocabulary] of a text. */
export type LogitsOf = (ids: readonly number[]) => Promise<Float32Array>;

/** Runs a model in a precision: one that attends over the whole text, a recurrent one token by token, so that its states are rounded at each. */
export async function withLogits<T>(
  model: OpenModel,
  precision: PrecisionPolicy,
  use: (logitsOf: LogitsOf) => Promise<T>,
): Promise<T> {
  if (!isRecurrent(model.decoder.config)) return withWholeText(model, precision, use);
  using states = await OpenStates.open(model, { rows: 1, tokens: 1, changes: roundings(precision) });
  return await use(async (ids) => {
    states.reset();
    const logits = new Float32Array(ids.length * states.vocabulary);
    for (const [t, id] of ids.entries()) {
      await states.run([[id]]);
      logits.set(states.logits, t * states.vocabulary);
    }
    return logits;
  });
}

async function withWholeText<T>(
  { decoder, weights }: OpenModel,
  precision: PrecisionPolicy,
  use: (logitsOf: LogitsOf) => Promise<T>,
): Promise<T> {
  const [traced] = prepare(weights, () => [exportedDecoder(decoder)]);
  const graph = inPrecision(traced!, precision);
  using program = await Program.compile(graph);
  return await use(async (ids) => {
    const tokens = ids.length;
    const bindings = {
      ...{ batch_size: 1, sequence_length: tokens, past_sequence_length: 0, total_sequence_length: tokens },
    };
    const buffers = [...graph.inputs, ...graph.outputs].map(({ name, tensor }) => {
      const shape = evalShape(tensor.shape, bindings);
      return { name, shape, buffer: new Buffer(tensor.dtype, Math.max(1, count(shape))) };
    });
    const integers = { input_ids: ids.map(BigInt), attention_mask: ids.map(() => 1n) };
    const of = (wanted: string) => buffers.find(({ name }) => name === wanted)!.buffer;
    for (const [name, values] of Object.entries(integers)) new BigInt64Array(of(name).memory).set(values);
    await program.bind(Object.fromEntries(buffers.map(({ name, shape, buffer }) => [name, buffer.view(shape)]))).run();
    const logits = new Float32Array(of("logits").memory).slice();
    for (const { buffer } of buffers) buffer[Symbol.dispose]();
    return logits;
  });
}
