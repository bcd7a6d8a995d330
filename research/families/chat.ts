/**
 * A long chat over HTTP with the tiny random checkpoint of each family of decoders: `npx tsx research/families/chat.ts
 * [NAME ...]`. Each turn's prompt continues the last one, beyond windows and chunks; a second server, with nothing in
 * its cache, answers the last turn once more, and its question alone. One line a checkpoint in results.jsonl; those of
 * named checkpoints take the place of their earlier ones.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { z } from "zod";
import { served as serve } from "../common/served.ts";

const root = path.join(import.meta.dirname, "..", "..");
const fixtures = path.join(root, "src", "models", "fixtures");
const folder = mkdtempSync(path.join(tmpdir(), "modicum-families-"));

const file = (name: string) => path.join(import.meta.dirname, name);

/** Tokens of a fixture's vocabulary, each a byte or a tag. */
const TAGS = ["<pad>", "<s>", "</s>", "<|turn|>"];
const BYTES = [..."ĠĊabcdefghijklmnopqrstuvwxyz0123456789.,?!:;-'()ABCDEFGHIJKLMNOPQRST"];
const TEMPLATE = "{% for m in messages %}<|turn|>{{ m.role }}: {{ m.content }}\n{% endfor %}<|turn|>assistant: ";

/** The minimum number of tokens in the last turn's prompt, unless the model has fewer positions. */
const LONG = 600;
const ANSWER = 12;
const QUESTION = "what of the long way that we have come by now, and is it far? ";

/** The fields that are read of an answer over HTTP. */
const completion = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).min(1),
  usage: z.object({
    prompt_tokens: z.int(),
    prompt_tokens_details: z.object({ cached_tokens: z.int() }).optional(),
  }),
});

interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}
interface Answer {
  readonly text: string;
  readonly prompt: number;
  readonly cached: number;
}
/** The result for one checkpoint. */
interface Line {
  readonly model: string;
  readonly turns: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly freshCachedTokens: number;
  readonly equal: boolean;
  readonly equalAlone: boolean;
}
interface Chat {
  readonly name: string;
  /** The last request's. */
  readonly messages: readonly Message[];
  readonly last: Answer;
}

const chosen = process.argv.slice(2);
const names = readdirSync(fixtures).filter((name) => isDecoder(name) && (chosen.length === 0 || chosen.includes(name)));
const contexts = new Map(names.map((name) => [name, prepare(name)]));
try {
  const chats = await served(async (url) => {
    const all: Chat[] = [];
    for (const name of names) all.push(await chat(url, name, contexts.get(name)!));
    return all;
  });
  const lines = await served((url) => Promise.all(chats.map((own) => comparedWith(url, own))));
  write(chosen.length === 0 ? lines : withOthers(lines));
} finally {
  rmSync(folder, { recursive: true });
}

function isDecoder(name: string): boolean {
  try {
    const { source } = JSON.parse(readFileSync(path.join(fixtures, name, "reference.json"), "utf8"));
    return source === "tools/reference/architectures.py";
  } catch {
    return false;
  }
}

/** Writes the checkpoint with a tokenizer and a template beside it. Returns the positions that it has. */
function prepare(name: string): number {
  const [from, to] = [path.join(fixtures, name), path.join(folder, name)];
  mkdirSync(to);
  copyFileSync(path.join(from, "model.safetensors"), path.join(to, "model.safetensors"));
  const config = JSON.parse(readFileSync(path.join(from, "config.json"), "utf8"));
  for (const part of [config, config.text_config ?? {}])
    if (part.max_position_embeddings !== undefined) part.max_position_embeddings = 4096;
  const write = (file: string, value: unknown) => writeFileSync(path.join(to, file), JSON.stringify(value));
  write("config.json", config);
  write("tokenizer.json", {
    added_tokens: TAGS.map((content, id) => ({ id, content, special: true })),
    ...{ normalizer: null, post_processor: null, decoder: { type: "ByteLevel" } },
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    model: { type: "BPE", vocab: Object.fromEntries(BYTES.map((byte, i) => [byte, TAGS.length + i])), merges: [] },
  });
  write("tokenizer_config.json", { bos_token: "<s>", eos_token: "</s>", chat_template: TEMPLATE });
  return config.n_positions ?? 4096;
}

/** Runs a server of all checkpoints, with an empty home and cache. */
function served<T>(run: (url: string) => Promise<T>): Promise<T> {
  const models = names.flatMap((name) => ["--model", `${name}=${path.join(folder, name)}`]);
  return serve(models, run, mkdtempSync(path.join(folder, "home-")));
}

async function chat(url: string, name: string, context: number): Promise<Chat> {
  const messages: Message[] = [];
  // GPT-2's fixtures have 64 positions.
  const length = Math.min(QUESTION.length, Math.floor(context / 12));
  for (let turn = 0; ; turn++) {
    messages.push({ role: "user", content: QUESTION.slice(turn % 7, length) });
    const last = await ask(url, name, messages);
    // A turn adds a question and an answer to the last prompt.
    const next = last.prompt + length + 40;
    if (last.prompt >= LONG || next + ANSWER > context) return { name, messages, last };
    messages.push({ role: "assistant", content: last.text });
  }
}

async function ask(url: string, model: string, messages: readonly Message[]): Promise<Answer> {
  const body = { model, messages, max_tokens: ANSWER, temperature: 0 };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`${model}: ${JSON.stringify(answer)}`);
  const { choices, usage } = completion.parse(answer);
  return {
    text: choices[0]!.message.content,
    prompt: usage.prompt_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
  };
}

/** Merges the lines with the other checkpoints' earlier lines. */
function withOthers(lines: readonly Line[]): Line[] {
  const written = readFileSync(file("results.jsonl"), "utf8").trim().split("\n");
  const others = written.map((line): Line => JSON.parse(line)).filter(({ model }) => !names.includes(model));
  return [...others, ...lines].sort((a, b) => (a.model < b.model ? -1 : 1));
}

function write(lines: readonly Line[]): void {
  writeFileSync(file("results.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const count = (of: (line: Line) => boolean) => lines.filter(of).length;
  const summary = {
    checkpoints: lines.length,
    equal: count(({ equal }) => equal),
    equalAlone: count(({ equalAlone }) => equalAlone),
  };
  writeFileSync(file("counts.json"), `${JSON.stringify(summary)}\n`);
}

async function comparedWith(url: string, { name, messages, last }: Chat): Promise<Line> {
  const fresh = await ask(url, name, messages);
  // The control: without the earlier turns, most answers differ.
  const alone = await ask(url, name, messages.slice(-1));
  const turns = messages.filter(({ role }) => role === "user").length;
  const line = {
    ...{ model: name, turns, promptTokens: last.prompt, cachedTokens: last.cached },
    ...{ freshCachedTokens: fresh.cached, equal: fresh.text === last.text, equalAlone: alone.text === last.text },
  };
  console.log(JSON.stringify(line));
  return line;
}
