import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { receiptSchema } from "../src/ledger/receipt.ts";
import { openLedger } from "../src/ledger/store.ts";
import { processorBits } from "../src/runtime/processor.ts";
import { type Call, type Ended, inProcess, modicum, root, temporaryHome } from "./program.testing.ts";

const QUESTION = "What is the capital of France?";
const files = mkdtempSync(join(tmpdir(), "modicum-files-"));
let home: { path: string } & Disposable;

beforeAll(async () => {
  home = await temporaryHome();
});
afterAll(() => {
  home[Symbol.dispose]();
  rmSync(files, { recursive: true });
});

const call = (words: string[], options: Call = {}) =>
  modicum(words, { ...options, env: { MODICUM_HOME: home.path, ...options.env } });

/** Without a separate process. */
const own = (words: string[]) => inProcess(words, home.path);

function file(name: string, content: string): string {
  const path = join(files, name);
  writeFileSync(path, content);
  return path;
}

/** Completion tokens of the last answer in the ledger. */
async function lastBilled(): Promise<number> {
  const ledger = await openLedger(join(home.path, "receipts.db"));
  const [receipt] = await ledger.list({ limit: 1 });
  await ledger.close();
  return receipt!.tokens.completion;
}

/** Expects one line, without a stack trace. */
function expectSentence(stderr: string, pattern: RegExp): void {
  const [first, ...rest] = stderr.trimEnd().split("\n");
  expect(first).toMatch(/^error: /);
  expect(first).toMatch(pattern);
  expect(rest.filter((line) => !line.startsWith("usage: "))).toEqual([]);
}

describe("run", () => {
  test("streams the answer to stdout, nothing else, and stores a receipt", async () => {
    const { status, stdout, stderr } = await call(["run", "--max-tokens", "5", QUESTION]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^\S.*\n$/);
    const { receipts, sum } = JSON.parse((await call(["receipts", "--json", "--limit", "1"])).stdout);
    expect(receipts).toHaveLength(1);
    expect(receipts[0].tokens.completion).toBe(5);
    expect(sum.receipts).toBeGreaterThanOrEqual(1);
  });

  test("--json: one object on one line, with a receipt in the ledger's form; the same tokens as the text run", async () => {
    const plain = await call(["run", "--max-tokens", "6", QUESTION]);
    const { status, stdout, stderr } = await call(["run", "--json", "--logprobs", "2", "--max-tokens", "6", QUESTION]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
    const { text, finish_reason, tokens, logprobs, receipt } = JSON.parse(stdout);
    expect(`${text}\n`).toBe(plain.stdout);
    expect(finish_reason).toBe("length");
    expect(tokens).toHaveLength(6);
    expect(logprobs.map(({ id }: { id: number }) => id)).toEqual(tokens);
    expect(logprobs[0].top).toHaveLength(2);
    expect(receiptSchema.parse(receipt).tokens.completion).toBe(6);
  });

  test("--logit-bias, --stop and --seed reach the sampler", async () => {
    const json = async (...flags: string[]) => JSON.parse((await own(["run", "--json", ...flags, QUESTION])).stdout);
    const stopped = await json("--max-tokens", "3", "--logit-bias", "504=100", "--stop", "The");
    expect(stopped).toMatchObject({ text: "", tokens: [504], finish_reason: "stop" });
    const drawn = () => json("--max-tokens", "8", "--temperature", "1.5", "--seed", "7");
    expect((await drawn()).tokens).toEqual((await drawn()).tokens);
  });

  test("an answer that repeats itself ends, with a warning, unless that is switched off", async () => {
    const words = ["run", "--model", "src/models/fixtures/llama-tiny.gguf", "--raw", "--max-tokens", "120"];
    const { status, stdout, stderr } = await call([...words, "a"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/(\w)\1{95}\n$/);
    expect(stderr).toBe(
      "warning: the answer repeats itself and was ended; --no-repetition-detection lets it continue\n",
    );
    const off = await call([...words, "--no-repetition-detection", "a"]);
    expect(off.stderr).toBe("");
    expect(off.stdout.length).toBeGreaterThan(stdout.length);
  });

  test("stdin is the prompt, or the document before it", async () => {
    const both = await call(["run", "--json", "--max-tokens", "4", "Which word?"], { input: "The word is kiwi.\n" });
    const stdin = await call(["run", "--json", "--max-tokens", "4"], { input: "The word is kiwi.\n\nWhich word?\n" });
    const [first, second] = [both, stdin].map(({ stdout }) => JSON.parse(stdout));
    expect(first.tokens).toEqual(second.tokens);
    expect(first.receipt.tokens.prompt).toBe(second.receipt.tokens.prompt);
  });

  test("--raw omits the chat template", async () => {
    const { stdout } = await own(["run", "--json", "--max-tokens", "1", "--raw", "Once"]);
    expect(JSON.parse(stdout).receipt.tokens.prompt).toBe(1);
  });

  test("a recipe file and --save form one recipe, recorded in the receipt", async () => {
    const recipe = file("recipe.yaml", "- name: xattention\n  threshold: 0.8\n");
    const { stdout } = await own(["run", "--json", "--max-tokens", "1", "--recipe", recipe, QUESTION]);
    expect(JSON.parse(stdout).receipt.recipe).toEqual(["xattention:threshold=0.8"]);
  });

  test("Ctrl-C stops an answer: status 130, the text so far ends with a newline, and is billed", async () => {
    const { status, stdout, stderr } = await call(
      ["run", "--no-repetition-detection", "--max-tokens", "2000", "--logit-bias", "504=100", "Go"],
      {
        interruptAt: /The/,
      },
    );
    expect({ status, stderr }).toEqual({ status: 130, stderr: "" });
    expect(stdout).toMatch(/^The.*\n$/);
    expect(stdout.length).toBeLessThan(1000);
    // The last sampled token may not have been printed.
    expect((await lastBilled()) - stdout.split("The").length + 1).toBeOneOf([0, 1]);
  });

  test.skipIf(process.platform === "win32")("a reader that leaves also stops it: status 0, and billed", async () => {
    const words = `"${process.execPath}" bin/modicum.js run --no-repetition-detection --max-tokens 2000 --logit-bias 504=100 Go`;
    const { stderr } = spawnSync("sh", ["-c", `(${words}; echo "status $?" >&2) | head -c 3`], {
      ...{ cwd: root, encoding: "utf8", env: { ...process.env, MODICUM_HOME: home.path } },
    });
    expect(stderr).toBe("status 0\n");
    expect(await lastBilled()).toBeLessThan(200);
  });

  test.skipIf(process.platform !== "linux")("an unwritable stdout is one sentence", async () => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [join(root, "bin", "modicum.js"), "savings"], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    closeSync(full);
    expect(status).toBe(1);
    expectSentence(stderr, /^error: cannot write to stdout: the disk is full; free space on it$/);
  });

  test("more on stdin than any prompt may have is one sentence", async () => {
    const { status, stdout, stderr } = await call(["run"], { input: "a".repeat(2 ** 26 + 1) });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expectSentence(stderr, /^error: stdin has more than 67108864 bytes/);
  });

  test("an unwritable ledger costs a warning, not the answer", async () => {
    const broken = file("broken.db", "this is no database, but it is long enough to be looked at as one".repeat(20));
    using other = await temporaryHome();
    const { renameSync } = await import("node:fs");
    renameSync(broken, join(other.path, "receipts.db"));
    const { status, stdout, stderr } = await call(["run", "--max-tokens", "2", "Hi"], {
      env: { MODICUM_HOME: other.path },
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/\S\n$/);
    expect(stderr).toMatch(/^warning: the receipt was not saved: .*receipts\.db/);
  });
});

test("complete: the text to insert at a place, alone or with its receipt", async () => {
  const path = file("add.js", "function add(a, b) {\n  return a +\n}\n");
  const words = ["complete", path, "--at", "2:13", "--model", "smollm2", "--max-tokens", "8"];
  const { status, stdout, stderr } = await call([...words, "--save", "exit:layer=30", "--json"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const { text, stopped, receipt, ...others } = JSON.parse(stdout);
  expect([stopped, others]).toEqual([false, {}]);
  expect(text).not.toMatch(/\n/);
  expect(receiptSchema.parse(receipt)).toMatchObject({ model: "smollm2", recipe: ["exit:layer=30"] });
  expect((await call(words)).stdout).toBe(`${text}\n`);
});

function expectUsage({ status, stdout, stderr }: Ended, words: readonly string[], pattern: RegExp): void {
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toMatch(/\nusage: modicum|\nUsage: modicum/);
  if (!words.includes("rnu")) expectSentence(stderr, pattern);
  else expect(stderr).toMatch(pattern);
}

function expectRefusal({ status, stdout, stderr }: Ended, pattern: RegExp): void {
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expectSentence(stderr, pattern);
}

describe("mistakes get one sentence", () => {
  test.each([
    ["an unknown verb", ["rnu"], /unknown command 'rnu' \(Did you mean run\?\)/],
    ["too many words", ["run", "one", "two"], /too many arguments/],
    ["an invalid number", ["run", "--top-k", "many", "Hi"], /--top-k: .*number.*"many"/],
    ["a number out of range", ["run", "--top-p", "7", "Hi"], /--top-p: must be at most 1 \(got 7\)/],
    ["a bias without a value", ["run", "--logit-bias", "12", "Hi"], /key=value.*"12"/],
    ["an unknown saving", ["run", "--save", "xatention", "Hi"], /"xatention".*did you mean "xattention"/],
    ["a saving's unknown option", ["run", "--save", "xattention:treshold=1", "Hi"], /did you mean "threshold"/],
    ["a threshold that is no number", ["run", "--save", "xattention:threshold=abc", "Hi"], /threshold.*number.*"abc"/],
    ["a stride that does not divide the block", ["run", "--save", "xattention:stride=7", "Hi"], /stride 7 does not/],
    ["an invalid place", ["complete", "package.json", "--at", "3"], /--at: expected LINE:COLUMN.*got "3"/],
    ["an empty prompt", ["run", ""], /prompt is empty/],
    ["an empty text to classify", ["classify", "--model", "minilm", ""], /nothing to classify/],
    ["an empty text to embed", ["embed", "a", ""], /text 2 of 2 is empty/],
    ["an empty question", ["answer", ""], /^error: the question is empty/],
    ["an answer without an index", ["answer", "Hi"], /--retrieval auto needs an index; name one, or choose "never"/],
    ["an invalid time", ["receipts", "--since", "yesterday-ish"], /"yesterday-ish" is not a time/],
  ])("%s: status 2, with the usage", async (_, words, pattern) => {
    expectUsage(await own(words), words, pattern);
  });

  test.each([
    ["a file that is not there", ["run", "--model", "./no.gguf", "Hi"], /no file \.\/no\.gguf/],
    ["a recipe that is not there", ["run", "--recipe", "no.json", "Hi"], /no\.json: there is no such file/],
    ["a model to remove that is not here", ["rm", "smollm3"], /no model called "smollm3".*did you mean "smollm2"/],
    ["a place outside the file", ["complete", "LICENSE", "--at", "9999:1"], /LICENSE: there is no line 9999; the last/],
    ["a chat without a terminal", ["chat"], /needs a terminal/],
  ])("%s: status 1", async (_, words, pattern) => {
    expectRefusal(await own(words), pattern);
  });

  test("an invalid GGUF", async () => {
    const path = file("notes.gguf", "These are my notes.");
    const { status, stdout, stderr } = await own(["show", path]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expectSentence(stderr, /notes\.gguf: this is not a GGUF file/);
  });

  test.each([
    ["broken.json", '["xattention"', /broken\.json cannot be read/],
    ["broken.yaml", "- name: [", /broken\.yaml cannot be read/],
    ["other.json", '{"threshold": 1}', /other\.json: expected a list of savings/],
  ])("a broken recipe: %s", async (name, content, pattern) => {
    const { status, stderr } = await own(["run", "--recipe", file(name, content), "Hi"]);
    expect(status).toBe(1);
    expectSentence(stderr, pattern);
  });
});

describe("--offline fetches nothing, and says what is missing", () => {
  test.each([
    ["smollm2", ["run", "--offline", "x"]],
    ["minilm", ["embed", "--offline", "x"]],
    ["smollm2", ["serve", "--offline", "--port", "0"]],
    ["npm:some-models", ["pull", "--offline", "--dry-run", "npm:some-models"]],
    ["hf:org/name", ["lab", "run", "--offline", "--model", "hf:org/name", "--task", "arc-easy", "--out", "o"]],
    ["smollm2", ["answer", "--retrieval", "never", "--offline", "x"]],
    ["smollm2", ["train", "--offline", "--model", "smollm2", "--data", "README.md", "--out", "o"]],
  ])("%s: %s", async (name, words) => {
    const { status, stderr } = await inProcess(words, mkdtempSync(join(files, "empty-")));
    const where = `${name} is not on this machine, and nothing is fetched offline (--offline or HF_HUB_OFFLINE)`;
    expect([status, stderr]).toEqual([1, `error: ${where}; \`modicum pull ${name}\` fetches it\n`]);
  });

  test("a verb that never fetches does not accept it", async () => {
    expect(await own(["keys", "list", "--offline"])).toMatchObject({ status: 2 });
  });
});

describe.concurrent("mistakes get one sentence, and the process their status", () => {
  test.each([
    ["help on an unknown verb", ["help", "rnu"], /there is no verb and no topic "rnu"; did you mean "run"\?/],
    ["help on an unknown verb below another", ["help", "lab", "tun"], /there is no verb "lab tun"/],
    ["an unknown option", ["run", "--modle", "x", "Hi"], /unknown option '--modle' \(Did you mean .*--model\?\)/],
    ["an unknown bench", ["bench", "decod"], /"decod"; did you mean "decode"\?/],
    ["an empty stdin", ["run"], /prompt is empty/],
  ])("%s: status 2, with the usage", async (_, words, pattern) => {
    expectUsage(await call(words), words, pattern);
  });

  test.each([["an unknown model", ["run", "--model", "smolm2", "Hi"], /"smolm2"; did you mean "smollm2"/]])(
    "%s: status 1",
    async (_, words, pattern) => {
      expectRefusal(await call(words), pattern);
    },
  );

  test("a prompt beyond the context names both numbers", async () => {
    const { status, stdout, stderr } = await call(["run", "--raw"], { input: "a ".repeat(9000) });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expectSentence(stderr, /\b9\d{3} tokens.*\b8192\b/);
  });

  test("DEBUG=modicum adds the stack", async () => {
    const { stderr } = await call(["run", ""], { env: { DEBUG: "modicum" } });
    expect(stderr).toMatch(/\n {4}at /);
  });
});

describe("lists and tables", () => {
  test("--help lists the verbs", async () => {
    const { status, stdout, stderr } = await own(["--help"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/\n {2}run +answer a prompt\n/);
  });

  test("savings --json: name, group, summary, options as JSON schema, seams", async () => {
    const savings = JSON.parse((await own(["savings", "--json"])).stdout);
    expect(savings).toContainEqual(
      expect.objectContaining({ name: "xattention", group: "attention", needs: ["attention"] }),
    );
    const { options } = savings.find(({ name }: { name: string }) => name === "xattention");
    expect(options).toMatchObject({ type: "object", properties: { threshold: { type: "number" } } });
  });

  test("list shows the models here, --all those with an alias", async () => {
    const listed = JSON.parse((await own(["list", "--json"])).stdout);
    expect(listed).toContainEqual(expect.objectContaining({ name: "smollm2", downloaded: true, bytes: 98_362_432 }));
    const bare = mkdtempSync(join(files, "home-"));
    const all = JSON.parse((await inProcess(["list", "--all", "--json"], bare)).stdout);
    expect(all).toContainEqual(expect.objectContaining({ name: "smollm2", downloaded: false }));
  });

  test("receipts: since, model and sums", async () => {
    await own(["run", "--max-tokens", "1", "Hi"]);
    const all = JSON.parse((await own(["receipts", "--since", "1h", "--model", "smollm2", "--json"])).stdout);
    expect(all.sum.receipts).toBeGreaterThanOrEqual(1);
    expect(JSON.parse((await own(["receipts", "--model", "other", "--json"])).stdout).receipts).toEqual([]);
    expect((await own(["receipts"])).stdout).toMatch(/CREATED .*\n[\s\S]*smollm2[\s\S]*\d+ receipts? · /);
  });
});

describe.concurrent("the other verbs", () => {
  test("without words: the usage, status 2", async () => {
    const { status, stdout, stderr } = await call([]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^Usage: modicum/);
  });

  test("--help and --version end with status 0", async () => {
    for (const words of [["run", "--help"], ["--version"]])
      expect(await call(words)).toMatchObject({ status: 0, stderr: "" });
    const help = await call(["help", "run", "--all"]);
    expect(help).toMatchObject({ status: 0, stderr: "" });
    expect(help.stdout).toMatch(/--repetition-penalty <n>[\s\S]*--max-tokens <n>/);
    expect((await call(["help", "lab", "tune"])).stdout).toMatch(/^Usage: modicum lab tune /);
    expect((await call(["help", "exit-status"])).stdout).toMatch(/^ {2}130 /m);
  });

  test("show --json describes the model", async () => {
    const model = JSON.parse((await call(["show", "smollm2", "--json"])).stdout);
    expect(model).toMatchObject({
      name: "smollm2",
      architecture: "llama",
      config: { layers: 30, hidden: 576, heads: 9, kvHeads: 3, headSize: 64, vocabulary: 49152, context: 8192 },
      parameters: 134_515_008,
      tensors: [
        {
          type: "Q4_1",
          form: `${processorBits()}-bit codes in blocks of 32${processorBits() === 4 ? ", corrected in 8 bits" : ""}`,
          exact: false,
          tensors: 210,
        },
        { type: "Q8_0", form: "8-bit codes in blocks of 32", exact: true, tensors: 1 },
        { type: "F32", form: "float32", exact: true, tensors: 61 },
      ],
      savings: expect.arrayContaining(["exit", "prune", "xattention"]),
    });
    // A multiply-add for every weight of a matrix; norms and the rest are below one percent of it.
    expect(model.flopsPerToken.empty / (2 * 134_515_008)).toBeCloseTo(1, 2);
    // Attention over the context: two products of heads × headSize for every position and layer.
    expect(model.flopsPerToken.full - model.flopsPerToken.empty).toBe(30 * 8191 * 9 * 64 * 2 * 2);
  });

  test("doctor runs all checks", async () => {
    const { checks } = JSON.parse((await call(["doctor", "--json"])).stdout);
    const names = checks.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(["Node", "cores", "memory", "ONNX Runtime", "cache folder", "pip"]));
    for (const { name, needed, ok } of checks) if (needed) expect({ name, ok }).toEqual({ name, ok: true });
    expect(checks.find(({ name }: { name: string }) => name === "ONNX Runtime").found).toMatch(/^1\.\d+\.\d+, /);
  });

  test("doctor does not accept a file as the cache folder", async () => {
    const { status, stdout } = await call(["doctor"], { env: { MODICUM_HOME: file("home", "") } });
    expect(status).toBe(1);
    expect(stdout).toMatch(/MISSING +cache folder +.*home is a file, expected a folder/);
  });

  test("bench --list lists the benches", async () => {
    const { status, stdout } = await call(["bench", "--list"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^decode +\S/m);
  });
});
