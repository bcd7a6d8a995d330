import type { Bench, BenchOptions } from "../harness.ts";
import { PEER, US } from "../sides.ts";
import { checkTokens, completion } from "./completion.ts";
import { ownServer, peerServer } from "./server.ts";
import { type Send, serverSide } from "./side.ts";
import { Texts } from "./texts.ts";

const CLIENTS = 8;
/** The number of requests that each client sends in sequence. */
const REQUESTS = 3;
const [PROMPT, ANSWER] = [128, 64];

/** Runs 8 clients of a server, with 128-token prompts and 64-token answers; measures total tokens per second. */
export const serveBatch: Bench = {
  name: "serve-batch",
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  defaultForm: true,
  sides: (options) => ({
    ours: serverSide(US, () => ownServer(options.path), rate(options)),
    theirs: serverSide(PEER, () => peerServer("peer/llamaServer.ts", options.path), rate(options)),
  }),
};

/** No two prompts share a beginning; both sides get the same prompts. */
function rate({ path }: BenchOptions): (send: Send) => Promise<number> {
  const texts = new Texts(path);
  const asks = () => Array.from({ length: REQUESTS }, () => completion(texts, texts.next(PROMPT), ANSWER));
  return async (send) => {
    const answered = (await send(Array.from({ length: CLIENTS }, () => ({ asks: asks() })))).flat();
    checkTokens(answered, PROMPT, ANSWER);
    const tokens = answered.length * (PROMPT + ANSWER);
    return (tokens * 1000) / Math.max(...answered.map(({ ended }) => ended));
  };
}
