import type { Bench, BenchOptions } from "../harness.ts";
import { checkTokens, stream } from "./completion.ts";
import { percentile } from "./percentile.ts";
import { ownServer } from "./server.ts";
import { type Send, serverSide } from "./side.ts";
import { Texts } from "./texts.ts";

const STREAMS = 7;
const [PROMPT, ANSWER] = [32, 96];
/** The length, in tokens, of the prompt that arrives when all streams run. */
const LONG = 4096;
/** The chunk size of prompts: at most this many tokens run between two tokens of a stream. */
const CHUNK = 256;
const CHUNKS = 10;
/** The longest allowed gap in a stream, in chunks: one chunk of the other request's prompt plus the stream's step. */
const ALLOWED = 1.3;

/**
 * Compares the 99th percentile of the gaps between tokens in 7 streams, while a prompt of 4,096 tokens runs, with 1.3
 * times the time to first token of a one-chunk prompt by itself. At a ratio of 1 or more, no stream waits longer.
 */
export const serveStall: Bench = {
  name: "serve-stall",
  unit: "ms",
  moreIsBetter: false,
  lifetime: "kept",
  defaultForm: true,
  sides: (options) => ({
    ours: serverSide("a long prompt beside", () => ownServer(options.path), stall(options)),
    theirs: serverSide(`${ALLOWED} × one chunk`, () => ownServer(options.path), chunk(options)),
  }),
};

function stall({ path }: BenchOptions): (send: Send) => Promise<number> {
  const texts = new Texts(path);
  return async (send) => {
    const streams = Array.from({ length: STREAMS }, () => ({ asks: [stream(texts, texts.next(PROMPT), ANSWER)] }));
    const between = { last: true, asks: [stream(texts, texts.next(LONG), 1)] };
    const answered = await send([...streams, between]);
    const [long] = answered.at(-1)!;
    const beside = answered.slice(0, -1).flat();
    checkTokens(beside, PROMPT, ANSWER);
    const [from, to] = [long!.sent, long!.events[0]!];
    if (beside.some(({ events }) => events[0]! > from || events.at(-1)! < to))
      throw new Error("a stream did not run for the whole long prompt");
    return percentile(
      beside.flatMap(({ events }) => gaps(events, from, to)),
      0.99,
    );
  };
}

/** Gaps that overlap with the interval. */
const gaps = (events: readonly number[], from: number, to: number): number[] =>
  events.flatMap((at, i) => (i > 0 && at > from && events[i - 1]! < to ? [at - events[i - 1]!] : []));

function chunk({ path }: BenchOptions): (send: Send) => Promise<number> {
  const texts = new Texts(path);
  return async (send) => {
    const asks = Array.from({ length: CHUNKS }, () => stream(texts, texts.next(CHUNK), 1));
    const [answered] = await send([{ asks }]);
    return (
      ALLOWED *
      percentile(
        answered!.map(({ sent, events }) => events[0]! - sent),
        0.5,
      )
    );
  };
}
