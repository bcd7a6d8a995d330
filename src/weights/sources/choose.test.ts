import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { chooseModel } from "./choose.ts";

const choose = (names: string[], path?: string) => chooseModel(names, path, "the place");

describe("without a path", () => {
  test("a folder at the root goes before everything below it and before GGUF files", () => {
    const names = ["config.json", "model.safetensors", "onnx/config.json", "onnx/model.safetensors", "m.gguf"];
    expect(choose(names)).toEqual({ folder: "", files: ["config.json", "model.safetensors"] });
  });

  test("a single folder anywhere is it", () => {
    const names = ["pkg/__init__.py", "pkg/model/config.json", "pkg/model/model.safetensors", "pkg/model/vocab.txt"];
    expect(choose(names)).toEqual({
      folder: "pkg/model",
      files: names.slice(1, 2).concat(names.slice(3), names.slice(2, 3)),
    });
  });

  test("sentence-transformers' modules come along; other frameworks' files do not", () => {
    const names = [
      "config.json",
      "modules.json",
      "1_Pooling/config.json",
      "2_Dense/config.json",
      "2_Dense/model.safetensors",
      "2_Dense/pytorch_model.bin",
      "model.safetensors",
      "pytorch_model.bin",
      "tf_model.h5",
      "flax_model.msgpack.index.json",
      "vocab.txt",
      "merges.txt",
      "tokenizer.model",
      "LICENSE.txt",
      "train.py",
      "openvino/openvino_model.xml",
    ];
    expect([...choose(names).files].sort()).toEqual([
      "1_Pooling/config.json",
      "2_Dense/config.json",
      "2_Dense/model.safetensors",
      "config.json",
      "merges.txt",
      "model.safetensors",
      "modules.json",
      "tokenizer.model",
      "vocab.txt",
    ]);
  });

  test("an adapter is a model's folder too", () => {
    expect(choose(["adapter_config.json", "adapter_model.safetensors"]).files).toHaveLength(2);
  });

  test.each([
    [
      ["a/config.json", "a/model.safetensors", "b/config.json", "b/x.safetensors"],
      "the place holds several models; name one of them: a, b",
    ],
    [["a.gguf", "b-00001-of-00002.gguf", "b-00002-of-00002.gguf"], "name one of them: a.gguf, b-00001-of-00002.gguf"],
    [["b-00001-of-00002.gguf"], "the place lacks 1 of the 00002 parts of b"],
    [["model.safetensors"], "the place holds no GGUF file, and no folder with a config.json and safetensors"],
    [
      ["config.json", "pytorch_model-00001-of-00002.bin"],
      "the only model in the place, pytorch_model-00001-of-00002.bin, is a pickle",
    ],
    [[], "the place holds no GGUF file"],
  ])("%j is refused", (names, sentence) => {
    expect(() => choose(names)).toThrow(UserError);
    expect(() => choose(names)).toThrow(sentence);
  });
});

describe("a path", () => {
  const names = ["a/config.json", "a/model.safetensors", "b/config.json", "b/x.safetensors", "m.gguf", "weights.bin"];

  test("names a folder, with or without a slash at its end", () => {
    expect(choose(names, "b")).toEqual({ folder: "b", files: ["b/config.json", "b/x.safetensors"] });
    expect(choose(names, "b/")).toEqual(choose(names, "b"));
  });

  test("names a file of any kind", () => {
    expect(choose(names, "m.gguf")).toEqual({ folder: "", files: ["m.gguf"], file: "m.gguf" });
    expect(choose(names, "weights.bin")).toMatchObject({ files: ["weights.bin"] });
    expect(choose(names, "b/x.safetensors")).toEqual({
      folder: "b",
      files: ["b/config.json", "b/x.safetensors"],
      file: "b/x.safetensors",
    });
  });

  test("never names a pickle", () => {
    expect(() => choose(["x/model.pt"], "x/model.pt")).toThrow(
      "x/model.pt in the place is a pickle, which can run code",
    );
  });
});
