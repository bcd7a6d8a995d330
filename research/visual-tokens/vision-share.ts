/**
 * The encoder's share of an answer about one picture: in FLOPs by the operators' own rules, of a model with tiles as
 * large as SmolVLM-256M (a SigLIP base of 512 pixels before a SmolLM2 of 135M), from its configuration alone; or in
 * time, of the model in a folder. Shares are in percent; a row is a line of JSON:
 *
 *     npx tsx research/visual-tokens/vision-share.ts [FOLDER]
 */
import { parseArgs } from "node:util";
import sharp from "sharp";
import { shapeOf, withoutWeights } from "../../src/engine/bill/shape.ts";
import { evalCost, graphCost } from "../../src/graph/index.ts";
import { load } from "../../src/index.ts";
import { machine } from "../../src/lab/run/machine.ts";
import { openVision } from "../../src/models/images/open-vision.ts";
import { traceAnyVision } from "../../src/models/images/vision-graph.ts";
import { seededRandom } from "../../src/util/random.ts";

/** Pictures that are measured, and words and tokens around a picture that is priced. */
const [COUNT, TEXT, ANSWER] = [21, 60, 20];

const decoder = {
  ...{ model_type: "llama", hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, vocab_size: 49280 },
  ...{ num_attention_heads: 9, num_key_value_heads: 3, max_position_embeddings: 8192, rms_norm_eps: 1e-5 },
  tie_word_embeddings: true,
};
const config = {
  model_type: "smolvlm",
  ...{ scale_factor: 4, image_token_id: 49190, tie_word_embeddings: true, vocab_size: 49280 },
  text_config: decoder,
  vision_config: {
    ...{ model_type: "smolvlm_vision", hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12 },
    ...{ num_attention_heads: 12, image_size: 512, patch_size: 16 },
  },
};

const percent = (share: number) => Number((100 * share).toFixed(1));
const rounded = (flops: number) => Number(flops.toPrecision(3));
const print = (row: object) => console.log(JSON.stringify(row));

/** FLOPs of an encoder with tiles and its decoder, and of a saving that drops seven tenths of the rows after two layers. */
async function computed(): Promise<void> {
  const { vision, weights } = await openVision(withoutWeights(config, "config.json", "smolvlm"), "");
  if (vision.pictures === "patches") throw new Error("an encoder of square tiles was expected");
  const tile = evalCost(graphCost(weights.imagined(() => traceAnyVision(vision))), {}).flops;
  const shape = await shapeOf(config, "config.json");
  const cost = (rows: number) =>
    shape.generated({ prompt: Math.round(rows) + TEXT, cached: 0, completion: ANSWER, answers: 1 }).flops;
  const deeper = 1 - 2 / decoder.num_hidden_layers;
  for (const pictures of [1, 5, 13]) {
    const rows = pictures * vision.tokens;
    const [encoder, dense] = [pictures * tile, cost(rows)];
    const saved = deeper * (dense - cost(0.3 * rows));
    const all = encoder + dense;
    const shares = { encoderShare: percent(encoder / all), droppingSaves: percent(saved / all) };
    print({ pictures, rows, flops: { encoder: rounded(encoder), all: rounded(all) }, ...shares });
  }
}

/** Median times of questions about pictures of noise, after one to warm up. */
async function measured(folder: string): Promise<void> {
  using model = await load(folder);
  const random = seededRandom(1);
  const times: { encode: number; prefill: number; decode: number }[] = [];
  for (let i = 0; i <= COUNT; i++) {
    const pixels = Buffer.from(Array.from({ length: 3 * 640 * 480 }, () => Math.floor(256 * random())));
    const image = await sharp(pixels, { raw: { width: 640, height: 480, channels: 3 } })
      .png()
      .toBuffer();
    const { receipt } = await model.complete("where is the cat?", { images: [image], maxTokens: 3, temperature: 0 });
    if (i > 0) times.push(receipt.ms);
  }
  const median = (of: "encode" | "prefill" | "decode") => times.map((ms) => ms[of]).sort((a, b) => a - b)[COUNT >> 1]!;
  const [encode, prefill, decode] = [median("encode"), median("prefill"), median("decode")];
  const ms = { encode: Math.round(encode), prefill: Math.round(prefill), decode: Math.round(decode) };
  print({
    model: folder,
    pictures: COUNT,
    ms,
    encoderShare: percent(encode / (encode + prefill + decode)),
    machine: machine(),
  });
}

const { positionals } = parseArgs({ allowPositionals: true });
if (positionals[0] === undefined) await computed();
else await measured(positionals[0]);
