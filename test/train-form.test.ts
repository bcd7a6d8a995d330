/** An adapter records the form of its training's prompts, and the printed command works as printed. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { tinyWithTemplate } from "../src/serve/serve.testing.ts";
import { templateHash } from "../src/weights/tokenizer/index.ts";
import { inProcess } from "./program.testing.ts";

const files = mkdtempSync(join(tmpdir(), "modicum-train-form-"));
afterAll(() => rmSync(files, { recursive: true }));
const own = (words: readonly string[]) => inProcess(words, files);
const at = (name: string) => join(files, name);

const TEMPLATE = "{% for m in messages %}the {{ m.content }} on {% endfor %}";
const base = at("base.gguf");
writeFileSync(base, tinyWithTemplate(TEMPLATE));
const template = templateHash({ chatTemplate: TEMPLATE });

const completion = { prompt: "a cat", completion: " and a hat" };
const chat = {
  messages: [
    { role: "user", content: "a cat" },
    { role: "assistant", content: "and a hat" },
  ],
};
/** Trains on copies of the records, and returns the output. */
async function trained(name: string, records: readonly object[], ...more: string[]) {
  const lines = Array.from({ length: 8 }, (_, i) => JSON.stringify(records[i % records.length]));
  writeFileSync(at(`${name}.jsonl`), lines.join("\n"));
  const options = ["--lora", "rank=2", "--steps", "4", "--tokens", "64", "--optimizer", "lr=0.05"];
  const words = ["train", "--model", base, "--data", at(`${name}.jsonl`), "--out", at(name), ...options, ...more];
  const ended = await own(words);
  expect(ended.status, ended.stderr).toBe(0);
  return ended;
}
const json = (...file: string[]) => JSON.parse(readFileSync(join(...file), "utf8"));
/** The ids that a command answers with. */
async function answer(words: readonly string[]): Promise<[prompt: number, ids: number[]]> {
  const { stdout, stderr } = await own([...words, "--json", "--max-tokens", "6", "--temperature", "0"]);
  const { tokens, receipt } = JSON.parse(stdout || stderr);
  return [receipt.tokens.prompt, tokens];
}

test("a run on prompts and completions records raw; the printed command, as printed, reads plain text", async () => {
  const { stdout } = await trained("raw", [completion]);
  expect(json(at("raw"), "modicum.json")).toEqual({ prompt: "raw", template });
  expect(json(at("raw"), "receipt.json").prompts).toEqual({ prompt: "raw", template });
  const command = /^modicum (.*) "…" runs it$/m.exec(stdout)![1]!;
  expect(command).toBe(`run --model ${base} --adapter ${at("raw")}`);
  const printed = await answer([...command.split(" "), "a cat"]);
  expect(printed).toEqual(await answer(["run", "--model", base, "--adapter", at("raw"), "--raw", "a cat"]));
  const chatted = await answer([...command.split(" "), "--no-raw", "a cat"]);
  expect(chatted).not.toEqual(printed);
  rmSync(join(at("raw"), "modicum.json"));
  expect(await answer([...command.split(" "), "a cat"])).toEqual(chatted);
});

test("a run on chats records chat; one on both records none, and says so, also over an older record", async () => {
  await trained("chat", [chat]);
  expect(json(at("chat"), "modicum.json")).toEqual({ prompt: "chat", template });
  await trained("mixed", [chat]);
  const { stderr } = await trained("mixed", [completion, chat], "--force");
  expect(stderr).toContain("the data contain both plain texts and chats: no prompt form is recorded");
  expect(existsSync(join(at("mixed"), "modicum.json"))).toBe(false);
  expect(json(at("mixed"), "receipt.json").prompts).toBeUndefined();
  const { stdout } = await own(["train", "report", at("chat"), at("mixed")]);
  expect(stdout.split("\n").map((line) => /\b(PROMPTS|chat) /.exec(line)?.[1])).toEqual([
    "PROMPTS",
    "chat",
    undefined,
    undefined,
    undefined,
  ]);
});

test("a whole chat model trained on plain text: the printed command says --raw", async () => {
  const architecture = {
    model_type: "gpt2",
    n_embd: 16,
    n_layer: 1,
    n_head: 1,
    n_positions: 64,
    layer_norm_epsilon: 1e-5,
  };
  writeFileSync(at("text.txt"), "a cat and a hat on a mat ".repeat(40));
  writeFileSync(at("new.json"), JSON.stringify({ architecture, data: at("text.txt"), tokens: 16, steps: 1 }));
  const ofNew = await own(["train", at("new.json"), "--out", at("new")]);
  expect(ofNew.stdout, ofNew.stderr).toContain(`modicum run --model ${at("new")} "…" runs it`);
  writeFileSync(join(at("new"), "chat_template.jinja"), TEMPLATE);
  const words = ["--data", at("text.txt"), "--tokens", "16", "--steps", "1"];
  const further = await own(["train", "--model", at("new"), ...words, "--out", at("further")]);
  expect(further.stdout, further.stderr).toContain(`modicum run --model ${at("further")} --raw "…" runs it`);
  expect(existsSync(join(at("further"), "modicum.json"))).toBe(false);
});

test("a projector: the printed command runs the planner and the executor through it", async () => {
  const [tiny, data] = ["packages/models", "docs/examples/hops.jsonl"].map((name) =>
    join(import.meta.dirname, "..", name),
  );
  const model = `${tiny}/planner-tiny+${tiny}/executor-tiny`;
  const method = ["--method", "projector:plan=6,template=bare-1", "--batch", "4", "--steps", "1"];
  const ended = await own(["train", "--model", model, "--data", data!, ...method, "--out", at("projector")]);
  const command = /^modicum (.*) "…" runs it$/m.exec(ended.stdout)?.[1];
  expect(command, ended.stderr).toBe(`run --model ${model} --projector ${at("projector")}`);
  const { prompt } = JSON.parse(readFileSync(data!, "utf8").split("\n")[0]!);
  const { status, stderr } = await own([...command!.split(" "), prompt, "--max-tokens", "4"]);
  expect(status, stderr).toBe(0);
});
