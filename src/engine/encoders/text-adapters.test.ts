/** LoRA adapters of encoders and of T5, merged and separate; results are from PEFT: tools/reference/adapters.py. */
import { Buffer as Bytes } from "node:buffer";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { load } from "../../index.ts";
import { difference, run, unpadded } from "../../models/encoder/encoder.testing.ts";
import { traceHidden, traceScores } from "../../models/encoder/encoder-graphs.ts";
import { prepare } from "../../models/programs/programs.ts";
import { openEncoder, openSeq2Seq } from "../../models/registry.ts";
import { compile, decode } from "../../models/seq2seq/seq2seq.testing.ts";
import { traceDecoded, traceSource } from "../../models/seq2seq/seq2seq-graphs.ts";
import { UserError } from "../../util/errors.ts";
import { openLora } from "../../weights/adapter/lora.ts";
import { withAdapter } from "../../weights/adapter/merge.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { openAdapted } from "../file/adapters.ts";
import { openedEncoder } from "./text/opened-encoder.ts";

const adapters = fileURLToPath(new URL("../../weights/adapter/fixtures", import.meta.url));
const bases = fileURLToPath(new URL("../../models/fixtures", import.meta.url));
const prepared = mkdtempSync(path.join(tmpdir(), "modicum-text-adapters-"));
afterAll(() => rmSync(prepared, { recursive: true }));

const json = (...file: string[]) => JSON.parse(readFileSync(path.join(...file), "utf8"));
const unpack = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);

function fixture(name: string) {
  const folder = path.join(adapters, name);
  const { base, outputs } = json(folder, "reference.json") as { base: string; outputs: string };
  return { base, folder, expected: unpack(outputs) };
}

/** A base without an adapter, with a merged adapter, or with a separate adapter. */
function parts(file: string, folder: string, how: How) {
  const plain = openCheckpoint(path.join(bases, file));
  const checkpoint = how === "merged" ? withAdapter(plain, openLora(folder)) : plain;
  return [checkpoint, path.join(prepared, file), "f32", how === "apart" ? openLora(folder) : undefined] as const;
}
type How = "alone" | "merged" | "apart";

/** One case per pair of a file and a way to apply the adapter. */
const ways = (name: string, ...more: [file: string, how: How][]): [string, string, How][] =>
  more.map(([file, how]) => [name, file, how]);

describe.each([
  ...ways("roberta", ["roberta", "apart"], ["roberta/model.gguf", "apart"]),
  ...ways("bert-plain", ["bert", "merged"], ["bert", "apart"], ["bert/model.gguf", "apart"]),
  ...ways("distilbert", ["distilbert", "merged"], ["distilbert", "apart"], ["distilbert/model.gguf", "apart"]),
  ...ways("modernbert", ["modernbert", "merged"], ["modernbert", "apart"], ["modernbert/model.gguf", "apart"]),
])("%s, its base %s, %s", (name, file, how) => {
  const { base, folder, expected } = fixture(name);
  const reference = json(bases, base, "encoder.json");

  test("equals PEFT", async () => {
    const headless = name === "bert-plain";
    const outputOf = async (way: How) => {
      const { encoder, weights } = await openEncoder(...parts(file, folder, way));
      const rows = await run({ weights }, () => (headless ? traceHidden : traceScores)(encoder), reference);
      if (!headless) weights.loraLayers?.check(file);
      return headless ? unpadded(rows, reference.texts, encoder.config.hidden) : rows;
    };
    expect(difference(await outputOf(how), expected)).toBeLessThan(1e-4);
    expect(difference(await outputOf("alone"), expected)).toBeGreaterThan(1);
  });
});

describe.each([
  ...ways("t5", ["t5", "apart"]),
  ...ways("t5-gated", ["t5-gated", "merged"], ["t5-gated", "apart"], ["t5-gated/model.gguf", "apart"]),
])("%s, its base %s, %s", (name, file, how) => {
  const { base, folder, expected } = fixture(name);
  const reference = json(bases, base, "seq2seq.json");

  test("equals PEFT, whole and step by step", async () => {
    const length = reference.targets[0].length;
    const outputOf = async (way: How, steps: number[]) => {
      const { model, weights } = await openSeq2Seq(...parts(file, folder, way));
      const programs = await compile({ weights }, () => [traceSource(model), traceDecoded(model)]);
      const logits = await decode(model, programs, reference, steps);
      for (const program of programs) program[Symbol.dispose]();
      return logits;
    };
    for (const steps of [[length], new Array<number>(length).fill(1)])
      expect(difference(await outputOf(how, steps), expected)).toBeLessThan(1e-4);
    expect(difference(await outputOf("alone", [length]), expected)).toBeGreaterThan(1);
  });
});

describe("trained heads take the place of the base's, or make a classifier of it", () => {
  test.each(["bert-head", "roberta-head", "distilbert-head", "modernbert-head"])("%s equals PEFT", async (name) => {
    const { base, folder, expected } = fixture(name);
    const { checkpoint, own } = await openAdapted(path.join(bases, base), { adapter: folder });
    const { weights, classifier, trace } = await openedEncoder(checkpoint, path.join(prepared, base), "f32", own);
    const rows = await run({ weights }, () => trace().at(-1)!, json(bases, base, "encoder.json"));
    weights.loraLayers?.check(base);
    expect(difference(rows, expected)).toBeLessThan(1e-4);
    expect(classifier?.labels).toEqual(["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"]);
  });

  test("labels keep the base's names where there are as many", async () => {
    const folder = path.join(prepared, "named");
    cpSync(path.join(bases, "bert"), folder, { recursive: true });
    const id2label = Object.fromEntries([..."abcde"].map((label, i) => [i, label]));
    const file = path.join(folder, "config.json");
    writeFileSync(file, JSON.stringify({ ...json(file), id2label }));
    const { checkpoint } = await openAdapted(folder, { adapter: fixture("bert-head").folder });
    expect((await openedEncoder(checkpoint, path.join(prepared, "named-weights"), "f32")).classifier?.labels).toEqual([
      ..."abcde",
    ]);
  });

  test.each(["llama-biased", "t5", "bert/model.gguf"])(
    "not of %s: what is saved whole is refused by name",
    async (base) => {
      const open = () => openAdapted(path.join(bases, base), { adapter: fixture("bert-head").folder });
      await expect(open).rejects.toThrow(UserError);
      await expect(open).rejects.toThrow(
        'do not belong to a plain LoRA: "base_model.model.classifier.bias", "base_model.model.classifier.weight"',
      );
    },
  );

  test("other modules that are saved whole are refused by name, and so is another model's head", async () => {
    const folder = path.join(prepared, "whole");
    cpSync(fixture("bert-head").folder, folder, { recursive: true });
    const file = path.join(folder, "adapter_model.safetensors");
    writeFileSync(file, readFileSync(file, "latin1").replaceAll("model.classifier.", "model.embeddings."), "latin1");
    const open = (base: string, adapter: string) => async () => {
      const { checkpoint, own } = await openAdapted(path.join(bases, base), { adapter });
      const { weights, trace } = await openedEncoder(checkpoint, path.join(prepared, "other"), "f32", own);
      prepare(weights, trace);
    };
    await expect(open("bert", folder)).rejects.toThrow(
      'do not belong to a plain LoRA: "base_model.model.embeddings.bias"',
    );
    await expect(open("roberta-mlm", fixture("bert-head").folder)).rejects.toThrow(
      'do not belong to a plain LoRA: "base_model.model.classifier.bias"',
    );
  });
});

describe("what an adapter is for, and the model has not", () => {
  const opened = async (file: string, folder: string) => {
    const { weights, trace } = await openedEncoder(...parts(file, folder, "apart"));
    prepare(weights, trace);
  };

  test("the pooler of a BERT that embeds is passed over", async () => {
    const { folder } = fixture("bert-plain");
    await expect(opened("bert/model.gguf", folder)).resolves.not.toThrow();
  });

  test("the head of a classifier that embeds, and another model's modules: one sentence", async () => {
    const of = (file: string, name: string) => () => opened(file, fixture(name).folder);
    await expect(of("bert/model.gguf", "roberta")).rejects.toThrow(UserError);
    await expect(of("bert/model.gguf", "roberta")).rejects.toThrow(
      /the adapter does not fit .*: classifier\.out_proj is not in the model/,
    );
    await expect(of("modernbert", "distilbert")).rejects.toThrow(
      /distilbert\.transformer\.\S+ is not in the model \(and 4 more/,
    );
  });

  test("T5's table of tokens, on which PEFT's own update does not act", async () => {
    const folder = path.join(prepared, "shared");
    cpSync(fixture("t5").folder, folder, { recursive: true });
    const file = path.join(folder, "adapter_model.safetensors");
    const bytes = readFileSync(file, "latin1");
    writeFileSync(file, bytes.replaceAll("model.lm_head.", "model.shared0."), "latin1");
    const { model, weights } = await openSeq2Seq(...parts("t5", folder, "apart"));
    expect(() => prepare(weights, () => [traceSource(model), traceDecoded(model)])).toThrow(
      "shared0 is not in the model",
    );
  });
});

test("embed, classify and complete with an adapter; several that requests would choose among are refused", async () => {
  const vectors = async (adapter?: string) => {
    using model = await load(path.join(bases, "bert/model.gguf"), { adapter });
    return (await model.embed(["a b"])).embeddings[0]!;
  };
  expect(difference(await vectors(fixture("bert-plain").folder), await vectors())).toBeGreaterThan(0.01);
  const scores = async (adapter?: string) => {
    using model = await load(path.join(bases, "roberta/model.gguf"), { adapter });
    return Object.values((await model.classify(["a b"])).results[0]!.scores);
  };
  expect(difference(await scores(fixture("roberta").folder), await scores())).toBeGreaterThan(0.01);
  const ids = async (adapter?: string) => {
    using model = await load(path.join(bases, "t5-gated/model.gguf"), { adapter });
    return (await model.complete("a b", { maxTokens: 8 })).tokens.map(({ id }) => id);
  };
  expect(await ids(fixture("t5-gated").folder)).not.toEqual(await ids());
  const several = load(path.join(bases, "roberta"), { adapters: { one: fixture("roberta").folder } });
  await expect(several).rejects.toThrow('is an encoder: it takes one adapter for every request, as "adapter"');
});
