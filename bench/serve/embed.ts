import type { Bench } from "../harness.ts";
import { realSentences } from "../sentences.ts";
import { US } from "../sides.ts";
import { exported, TRANSFORMERS } from "../transformers.ts";
import { MODEL } from "./completion.ts";
import { ownServer, peerServer } from "./server.ts";
import { type Send, serverSide } from "./side.ts";

const CLIENTS = 32;
const SENTENCES = 1024;

/** Runs 32 clients with one sentence per request, in float32 on both sides; measures sentences per second. */
export const serveEmbed: Bench = {
  name: "serve-embed",
  unit: "texts/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides({ path }) {
    const onnx = exported("minilm", "model.onnx", path);
    return {
      ours: serverSide(US, () => ownServer(path), rate),
      theirs: serverSide(TRANSFORMERS, () => peerServer("peer/transformersServer.ts", onnx), rate),
    };
  },
};

async function rate(send: Send): Promise<number> {
  const sentences = realSentences(SENTENCES);
  const asks = sentences.map((input) => ({
    path: "/v1/embeddings",
    body: { model: MODEL, input, encoding_format: "base64" },
  }));
  const clients = Array.from({ length: CLIENTS }, (_, i) => ({ asks: asks.filter((_, at) => at % CLIENTS === i) }));
  const answered = (await send(clients)).flat();
  return (SENTENCES * 1000) / Math.max(...answered.map(({ ended }) => ended));
}
