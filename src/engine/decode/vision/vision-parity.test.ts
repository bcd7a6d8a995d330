import { Buffer as Bytes } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openVision } from "../../../models/images/open-vision.ts";
import { rowWidth, type Vision } from "../../../models/images/vision.ts";
import { traceMerged, traceVision } from "../../../models/images/vision-graph.ts";
import { Parity } from "../../../models/parity.testing.ts";
import { prepare } from "../../../models/programs/programs.ts";
import { openDecoder } from "../../../models/registry.ts";
import { densePlan } from "../../../savings/plan.ts";
import { type Checkpoint, openCheckpoint } from "../../../weights/checkpoint.ts";
import { fromFolder, Tokenizer, withGaps } from "../../../weights/tokenizer/index.ts";
import { tokenTexts } from "../../../weights/tokenizer/segments.ts";
import { Meter } from "../../bill/meter.ts";
import { ImageRunner } from "../../encoders/image-text/image-runner.ts";
import { processorFor } from "../../encoders/image-text/processor-for.ts";
import { decodeImage } from "../../images/pixels/decode.ts";
import { readFittedProcessor } from "../../images/pixels/fitted-tiles.ts";
import { patchesOf, patchSized, readPatchProcessor } from "../../images/pixels/patches.ts";
import { isExact, picture, worstOf } from "../../images/pixels/pictures.testing.ts";
import { normalisePixels, sized } from "../../images/pixels/processor.ts";
import { readShapedProcessor } from "../../images/pixels/shaped-tiles.ts";
import { Engine } from "../run/engine.ts";
import { type EmbeddedSpan, type PromptSpan, promptOfSpans } from "../run/spans.ts";
import { PatchRunner, SquareEncoder } from "./picture-encoder.ts";
import { between, placeFitted, placeFramed, placeShaped } from "./placed-image.ts";

/** transformers' results in float32: tools/reference/vision_language.py. */
const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
const prepared = mkdtempSync(path.join(tmpdir(), "modicum-vision-"));
afterAll(() => rmSync(prepared, { recursive: true }));

const floats = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);
const worst = (a: Float32Array, b: Float32Array) => {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));
};

const names = ["idefics3", "llava", "llava-dinov2", "llava-qwen2", "llava-siglip", "smolvlm"];
/** The largest difference of each fixture's logits. */
const results = new Map<string, number>();

describe.each(names)("%s", (name) => {
  const reference = JSON.parse(readFileSync(path.join(fixture(name), "vision-language.json"), "utf8"));
  const tokens: number[] = reference.tokens;
  const [pixels, rows, logits] = [floats(reference.pixels), floats(reference.rows), floats(reference.logits)];
  const checkpoint = openCheckpoint(fixture(name));
  const folder = path.join(prepared, name);

  test("an image's rows, and logits behind two images, equal transformers'", async () => {
    const { vision, weights } = await openVision(checkpoint, folder, "f32");
    if (vision.pictures === "patches") throw new Error("a fixture of square pictures was expected");
    const [graph] = prepare(weights, () => [traceVision(vision)]);
    using runner = await ImageRunner.compile(graph!, vision.encoder.config, [vision.tokens, vision.config.hidden]);
    const size = pixels.length / 2;
    const images = [await runner.run(pixels.subarray(0, size)), await runner.run(pixels.subarray(size))];
    expect(worst(Float32Array.from(images.flatMap((each) => [...each])), rows)).toBeLessThan(1e-4);

    const all = await logitsBehind(checkpoint, folder, spansOf(tokens, vision.config.imageToken, images, name));
    results.set(`${name} safetensors`, worst(all, logits));
    expect(results.get(`${name} safetensors`)).toBeLessThan(1e-4);
  });
});

/** Models that divide an image into squares of patches. */
const patched = ["qwen2-5-vl", "qwen2-vl", "qwen3-vl", "qwen3-vl-moe"];

/** Tensors to reverse, of the encoder and of the decoder. */
const shuffled: Readonly<Record<string, { readonly tower: readonly string[]; readonly language: string }>> = {
  "qwen2-5-vl": {
    tower: ["visual.blocks.0.attn.qkv.weight", "visual.blocks.1.mlp.gate_proj.weight", "visual.merger.ln_q.weight"],
    language: "layers.1.self_attn.k_proj.bias",
  },
  "qwen2-vl": { tower: ["visual.blocks.1.mlp.fc1.weight"], language: "layers.1.self_attn.q_proj.weight" },
  "qwen3-vl": {
    tower: ["visual.pos_embed.weight", "visual.patch_embed.proj.bias", "deepstack_merger_list.1.norm.weight"],
    language: "layers.2.self_attn.k_norm.weight",
  },
  "qwen3-vl-moe": {
    tower: ["deepstack_merger_list.0.linear_fc1.weight"],
    language: "layers.2.mlp.experts.gate_up_proj",
  },
};

describe.each(patched)("%s", (name) => {
  const folder = fixture(name);
  const reference = JSON.parse(readFileSync(path.join(folder, "placed-images.json"), "utf8"));

  /** Opens the image encoder of a checkpoint that may have other weights. */
  async function patchReader(checkpoint: Checkpoint, weightsFolder: string) {
    const { vision, weights } = await openVision(checkpoint, weightsFolder, "f32");
    if (vision.pictures !== "patches") throw new Error("a fixture of patches was expected");
    const processor = readPatchProcessor(folder, vision.encoder.config);
    const [graph] = prepare(weights, () => [traceMerged(vision)]);
    const runner = await PatchRunner.compile(graph!, vision, processor);
    const sizedOf = async (file: string) => patchSized(await decodeImage(readFileSync(picture(file)), file), processor);
    const read = async (file: string) => ({
      ...(await runner.run(await sizedOf(file))),
      contentHash: `${weightsFolder} ${file}`,
    });
    return { vision, processor, sizedOf, read, [Symbol.dispose]: () => runner[Symbol.dispose]() };
  }

  const opened = (): Checkpoint => openCheckpoint(folder);
  const behind = (images: readonly EmbeddedSpan[], ids: readonly number[], width: number, of = opened()) => {
    const text = ids.filter((id, i) => id !== 318 || ids[i - 1] !== 318);
    const spans = between(
      text,
      318,
      images.map((image) => [image]),
    );
    return logitsBehind(of, path.join(prepared, `${name}${of.variant ?? ""}`), spans, width);
  };

  test("patches of five images, their rows, and logits behind one and two of them, equal transformers'", async () => {
    using reader = await patchReader(opened(), path.join(prepared, name));
    const { processor } = reader;
    for (const [file, { grid, pixels }] of Object.entries<{ grid: number[]; pixels: string }>(reference.pictures)) {
      const sized = await reader.sizedOf(file);
      expect(patchesOf(sized, processor).grid).toEqual(grid);
      expect(worstOf(normalisePixels(sized, processor), processor, pixels)).toBeLessThan(isExact(file) ? 1e-3 : 2);
    }
    const images: EmbeddedSpan[] = [];
    for (const [i, file] of reference.seen.entries()) {
      const { cost, ...rows } = await reader.read(file);
      expect(worst(rows.embeddings, floats(reference.rows[i]))).toBeLessThan(1e-4);
      expect(cost.flops).toBeGreaterThan(0);
      images.push(rows);
    }
    const width = rowWidth(reader.vision.config);
    const all = await behind(images, reference.ids, width);
    results.set(`${name} safetensors`, worst(all, floats(reference.logits)));
    expect(results.get(`${name} safetensors`)).toBeLessThan(1e-4);
    if (!reference.alone) return;
    const last = floats(reference.alone.logits);
    const one = await behind(images.slice(1), reference.alone.ids, width);
    expect(worst(one.slice(-last.length), last)).toBeLessThan(1e-4);
  });

  /** A checkpoint with the elements of one tensor reversed. */
  function withReversed(part: string): Checkpoint {
    const checkpoint = opened();
    const own = [...checkpoint.tensors.keys()].find((tensor) => tensor.includes(part))!;
    const reversed: typeof checkpoint.floats = (tensor, ...rest) => {
      const values = checkpoint.floats(tensor, ...rest);
      return tensor.name === own ? values.toReversed() : values;
    };
    return { ...checkpoint, floats: reversed, variant: part };
  }

  const { tower, language } = shuffled[name]!;

  test.each(tower)("%s, reversed, changes the rows", async (part) => {
    using reader = await patchReader(withReversed(part), path.join(prepared, part));
    const { embeddings } = await reader.read(reference.seen[0]);
    expect(worst(embeddings, floats(reference.rows[0]))).toBeGreaterThan(1e-3);
  });

  test(`${language}, reversed, changes the logits`, async () => {
    using reader = await patchReader(opened(), path.join(prepared, name));
    const images = await Promise.all(reference.seen.map(reader.read));
    const width = rowWidth(reader.vision.config);
    const all = await behind(images as EmbeddedSpan[], reference.ids, width, withReversed(language));
    expect(worst(all, floats(reference.logits))).toBeGreaterThan(1e-3);
  });
});

test("llava-next: tiles of five images, their rows, and logits behind two of them, equal transformers'", async () => {
  const folder = fixture("llava-next");
  const reference = JSON.parse(readFileSync(path.join(folder, "placed-images.json"), "utf8"));
  const checkpoint = openCheckpoint(folder);
  const { vision, weights } = await openVision(checkpoint, path.join(prepared, "llava-next"), "f32");
  if (vision.pictures !== "fitted") throw new Error("a fixture of tiles that fit was expected");
  const processor = readFittedProcessor(folder, vision.encoder.config.imageSize);
  const [graph] = prepare(weights, () => [traceVision(vision)]);
  using encoder = await SquareEncoder.compile(graph!, vision, processor);
  const seen = new Map<string, PromptSpan[]>();
  for (const [file, { pixels, rows }] of Object.entries<{ pixels: string[]; rows: string }>(reference.pictures)) {
    const decoded = await decodeImage(readFileSync(picture(file)), file);
    const placing = placeFitted(processor, vision)(decoded);
    const pictures = await placing.pictures(decoded);
    expect(pictures).toHaveLength(pixels.length);
    const encoded: EmbeddedSpan[] = [];
    for (const [i, tile] of pictures.entries()) {
      const off = worstOf(normalisePixels(tile, processor), processor, pixels[i]!);
      expect(off).toBeLessThan(isExact(file) ? 1e-3 : 2);
      const { cost, ...own } = await encoder.run(tile);
      expect(cost.flops).toBeGreaterThan(0);
      encoded.push({ ...own, contentHash: `${file} ${i}` });
    }
    const placed = placing.spans(encoded);
    const all = Float32Array.from(placed.flatMap((span) => ("embeddings" in span ? [...span.embeddings] : [])));
    expect(all).toHaveLength(placing.rows * vision.config.hidden);
    if (isExact(file)) expect(worst(all, floats(rows))).toBeLessThan(1e-4);
    seen.set(file, placed);
  }
  const ids: number[] = reference.ids.filter(
    (id: number, i: number, all: number[]) => id !== 318 || all[i - 1] !== 318,
  );
  const spans = between(
    ids,
    318,
    reference.seen.map((file: string) => seen.get(file)!),
  );
  const all = await logitsBehind(checkpoint, path.join(prepared, "llava-next"), spans);
  results.set("llava-next safetensors", worst(all, floats(reference.logits)));
  expect(results.get("llava-next safetensors")).toBeLessThan(1e-4);
});

test.each(["gemma3-vision", "internvl"])(
  "%s: five images, their rows, and logits behind one and behind two of them, equal transformers'",
  async (name) => {
    const [folder, own] = [fixture(name), path.join(prepared, name)];
    const reference = JSON.parse(readFileSync(path.join(folder, "placed-images.json"), "utf8"));
    const checkpoint = openCheckpoint(folder);
    const tokenizer = new Tokenizer(fromFolder(folder));
    const { vision, weights } = await openVision(checkpoint, own, "f32");
    const { processor, place, gap } = framedBy(vision, folder, tokenizer);
    if (vision.pictures === "patches") throw new Error("a fixture of square pictures was expected");
    const [graph] = prepare(weights, () => [traceVision(vision)]);
    using encoder = await SquareEncoder.compile(graph!, vision, processor);
    const seen = new Map<string, PromptSpan[]>();
    for (const [file, { pixels, rows }] of Object.entries<{ pixels: string[]; rows: string }>(reference.pictures)) {
      const decoded = await decodeImage(readFileSync(picture(file)), file);
      const placing = place(decoded);
      const pictures = await placing.pictures(decoded);
      expect(pictures).toHaveLength(pixels.length);
      const encoded: EmbeddedSpan[] = [];
      for (const [i, each] of pictures.entries()) {
        const off = worstOf(normalisePixels(each, processor), processor, pixels[i]!);
        expect(off).toBeLessThan(isExact(file) ? 1e-3 : 2);
        const { cost, ...own } = await encoder.run(each);
        expect(cost.flops).toBeGreaterThan(0);
        encoded.push({ ...own, contentHash: `${name} ${file} ${i}` });
      }
      const all = Float32Array.from(encoded.flatMap((span) => [...span.embeddings]));
      expect(all).toHaveLength(placing.rows * vision.config.hidden);
      if (isExact(file)) expect(worst(all, floats(rows))).toBeLessThan(1e-4);
      seen.set(file, placing.spans(encoded));
    }
    const { imageToken } = vision.config;
    let most = 0;
    for (const { text, seen: files, ids, logits } of reference.prompts) {
      const segments = tokenTexts(tokenizer.specialTokens).split(text);
      const written = tokenizer.encodeSegments(gap ? withGaps(segments, gap) : segments);
      const spans = between(
        written,
        imageToken,
        files.map((file: string) => seen.get(file)!),
      );
      const { prompt } = promptOfSpans(spans, vision.config.hidden);
      expect(prompt.map((id, i) => (id < 0 ? ids[i] : id))).toEqual(ids);
      const all = await logitsBehind(checkpoint, own, spans);
      const expected = floats(logits);
      most = Math.max(most, worst(all.subarray(all.length - expected.length), expected));
    }
    results.set(`${name} safetensors`, most);
    expect(most).toBeLessThan(1e-4);
  },
);

test.each([
  ["gemma3-vision", "mm_soft_emb_norm"],
  ["gemma3-vision", "mm_input_projection_weight"],
  ["gemma3-vision", "position_embedding"],
  ["internvl", "layer.1.lambda_1"],
  ["internvl", "cls_token"],
  ["internvl", "multi_modal_projector.layer_norm.weight"],
  ["llava-dinov2", "layer.0.layer_scale1"],
  ["llava-dinov2", "layer.1.mlp.fc2.weight"],
])("%s: %s, shuffled, changes an image's rows", async (name, part) => {
  const checkpoint = openCheckpoint(fixture(name));
  const tensor = [...checkpoint.tensors.keys()].find((key) => key.includes(part))!;
  const floats: Checkpoint["floats"] = (of, ...rest) => {
    const values = checkpoint.floats(of, ...rest);
    return of.name === tensor ? values.toReversed() : values;
  };
  const rowsOf = async (of: Checkpoint, folder: string) => {
    const { vision, weights } = await openVision(of, path.join(prepared, folder), "f32");
    if (vision.pictures === "patches") throw new Error("a fixture of square pictures was expected");
    const { channels, imageSize } = vision.encoder.config;
    const [graph] = prepare(weights, () => [traceVision(vision)]);
    using runner = await ImageRunner.compile(graph!, vision.encoder.config, [vision.tokens, vision.config.hidden]);
    return runner.run(Float32Array.from({ length: channels * imageSize ** 2 }, (_, i) => Math.sin(i)));
  };
  const shuffled = await rowsOf({ ...checkpoint, floats, variant: part }, `${name} ${part}`);
  expect(worst(shuffled, await rowsOf(checkpoint, name))).toBeGreaterThan(1e-3);
});

/** The table of docs/reference/models.md; `PARITY=write` in the environment updates its measured values. */
test("docs/reference/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../../docs/reference/models.md", import.meta.url));
  const all = [...names, "gemma3-vision", "internvl", "llava-next", ...patched].sort();
  const stated = new Parity(readFileSync(doc, "utf8"), "vision and language");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(all, results));
  else for (const name of all) stated.check(name, "safetensors", results.get(`${name} safetensors`)!);
});

/** How a model's images are placed between two tokens. */
function framedBy(vision: Vision, folder: string, tokenizer: Tokenizer) {
  if (vision.pictures === "framed") {
    const processor = processorFor(folder, vision.encoder.config);
    const place = placeFramed((picture) => sized(picture, processor), vision);
    return { processor, place, gap: { token: tokenizer.text(vision.config.imageToken), text: vision.gap } };
  }
  if (vision.pictures !== "shaped") throw new Error("a fixture of images between two tokens was expected");
  const processor = readShapedProcessor(folder, vision.encoder.config.imageSize);
  return { processor, place: placeShaped(processor, tokenizer, vision), gap: undefined };
}

/** The logits after each token of a prompt, [tokens, vocabulary]. */
async function logitsBehind(
  checkpoint: Checkpoint,
  folder: string,
  spans: readonly PromptSpan[],
  width = 32,
): Promise<Float32Array> {
  const { decoder, weights } = await openDecoder(checkpoint, folder, "f32");
  using engine = await Engine.create(decoder, weights);
  const { prompt, embeddings } = promptOfSpans(spans, width);
  const slot = engine.acquire(prompt);
  const all: number[] = [];
  for await (const run of engine.runs(slot, prompt, { plan: densePlan, meter: new Meter(engine.programs), embeddings }))
    for (let i = 0; i < run.tokens; i++) all.push(...(await slot.logitsOf(await run.rows(i, 1))));
  engine.release(slot);
  return Float32Array.from(all);
}

/** The prompt with each run of image tokens replaced by the next image. */
function spansOf(
  tokens: readonly number[],
  imageToken: number,
  images: readonly Float32Array[],
  name: string,
): PromptSpan[] {
  const spans: PromptSpan[] = [];
  for (const [i, token] of tokens.entries()) {
    if (token !== imageToken) spans.push([token]);
    else if (tokens[i - 1] !== imageToken) {
      const embeddings = images[spans.filter((span) => "embeddings" in span).length]!;
      spans.push({ embeddings, contentHash: `${name} ${i}` });
    }
  }
  return spans;
}
