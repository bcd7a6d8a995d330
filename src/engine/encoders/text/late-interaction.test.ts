import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { load } from "../../../library/load.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { fromFolder, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { describeModel } from "../../file/describe.ts";
import { readLate } from "./late-files.ts";
import { LateInteraction } from "./late-interaction.ts";

const home = mkdtempSync(path.join(tmpdir(), "modicum-late-"));
vi.stubEnv("MODICUM_HOME", home);
afterAll(() => rmSync(home, { recursive: true }));

/** Scores from PyLate: tools/reference/late_interaction.py. */
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
interface Task {
  readonly query: string;
  readonly texts: readonly string[];
  readonly scores: readonly number[];
}
const taskOf = (name: string): Task => JSON.parse(readFileSync(path.join(fixture(name), "task.json"), "utf8"));

/** A copy of a fixture with fields of a JSON file changed. */
function changed(name: string, file: string, change: Readonly<Record<string, unknown>>): string {
  const copy = mkdtempSync(path.join(home, "model-"));
  cpSync(fixture(name), copy, { recursive: true });
  const target = path.join(copy, file);
  writeFileSync(target, JSON.stringify({ ...JSON.parse(readFileSync(target, "utf8")), ...change }));
  return copy;
}

async function furthest(model: string, { query, texts, scores }: Task): Promise<number> {
  using loaded = await load(model);
  const got = await loaded.relevance(query, [...texts]);
  expect(got.scores).toHaveLength(scores.length);
  return Math.max(...got.scores.map((score, i) => Math.abs(score - scores[i]!)));
}

const SETTINGS = "config_sentence_transformers.json";

describe.each(["colbert", "pylate"])("a model of %s", (name) => {
  test("scores documents as PyLate does", async () => {
    expect(await furthest(fixture(name), taskOf(name))).toBeLessThan(1e-4);
  });

  test("scores a document alike whatever is read beside it", async () => {
    const { query, texts } = taskOf(name);
    using model = await load(fixture(name));
    const { scores } = await model.relevance(query, [...texts]);
    for (const [i, text] of texts.entries()) {
      const [alone] = (await model.relevance(query, [text])).scores;
      expect(Math.abs(alone! - scores[i]!)).toBeLessThan(1e-5);
    }
  });

  test("embeds nothing, and says so", async () => {
    using model = await load(fixture(name));
    await expect(model.embed(["soup"])).rejects.toThrow(
      /compares texts token by token, to rank them; expected an embedding model$/,
    );
  });
});

describe("the products of tokens' vectors are billed", () => {
  const folder = fixture("colbert");
  /** The width of a vector, and the number of tokens that a query is padded to. */
  const [WIDTH, QUERY] = [openCheckpoint(folder).tensors.get("linear.weight")!.shape[0]!, 16];

  test("two FLOPs for each number of a vector, each query's token and each compared one of a document", () => {
    const checkpoint = openCheckpoint(folder);
    const tokenizer = new Tokenizer(fromFolder(folder));
    const late = new LateInteraction(readLate(folder, checkpoint)!, tokenizer, WIDTH);
    const [query, ...documents] = late.inputs("soup?", ["It is a restaurant.", ", , soup"]);
    // The full stop and the commas are not compared.
    const compared = documents[0]!.ids.length - 1 + documents[1]!.ids.length - 2;
    expect(query!.ids).toHaveLength(QUERY);
    expect(late.cost(query!, documents)).toEqual({
      flops: 2 * WIDTH * QUERY * compared,
      bytes: 4 * WIDTH * (2 * QUERY + compared),
    });
  });

  test("and are in the receipt", async () => {
    const spent = async (model: string) => {
      using loaded = await load(model);
      const { receipt } = await loaded.relevance("soup?", ["It is a restaurant."]);
      expect(receipt.flops.dense).toBe(receipt.flops.spent);
      return receipt.flops.spent;
    };
    const compared = changed("colbert", "artifact.metadata", { mask_punctuation: false });
    expect((await spent(compared)) - (await spent(folder))).toBe(2 * WIDTH * QUERY);
  });
});

test.each([
  ["colbert", "artifact.metadata", { query_maxlen: 15 }],
  ["colbert", "artifact.metadata", { doc_maxlen: 23 }],
  ["colbert", "artifact.metadata", { query_token_id: "[unused1]" }],
  ["colbert", "artifact.metadata", { doc_token_id: "[unused0]" }],
  ["colbert", "artifact.metadata", { mask_punctuation: false }],
  ["colbert", "artifact.metadata", { attend_to_mask_tokens: true }],
  ["pylate", SETTINGS, { query_length: 11 }],
  ["pylate", SETTINGS, { document_length: 19 }],
  ["pylate", SETTINGS, { query_prefix: "[D] " }],
  ["pylate", SETTINGS, { skiplist_words: [] }],
  ["pylate", SETTINGS, { attend_to_expansion_tokens: false }],
  ["pylate", SETTINGS, { do_query_expansion: false }],
])("%s: %s with %j scores otherwise", async (name, file, change) => {
  expect(await furthest(changed(name, file, change), taskOf(name))).toBeGreaterThan(1e-3);
});

test.each([
  ["colbert", "artifact.metadata", { similarity: "l2" }, /artifact\.metadata: .*expected cosine/],
  [
    "colbert",
    "artifact.metadata",
    { query_token_id: "[Q]" },
    /the tokenizer has no token "\[Q\]", which marks a text's kind/,
  ],
  [
    "pylate",
    "1_Dense/config.json",
    { activation_function: "torch.nn.modules.activation.GELU" },
    /the activation "torch\.nn\.modules\.activation\.GELU" is not supported, expected Identity or Tanh/,
  ],
])("%s: %s with %j is refused in one sentence", async (name, file, change, message) => {
  await expect(load(changed(name, file, change))).rejects.toThrow(message);
});

test("a document that may not be cut is refused by its name", async () => {
  using model = await load(fixture("colbert"));
  const long = "soup ".repeat(40);
  await expect(model.relevance("soup", ["soup", long], { truncate: false })).rejects.toThrow(
    "document 2 has 43 tokens, but the model reads at most 24",
  );
});

test("the description says what is compared", async () => {
  const description = await describeModel({ name: "colbert", path: fixture("colbert"), source: "file", bytes: 0 });
  expect(description.compared).toMatchObject({
    width: 12,
    query: { tokens: 16, expanded: true },
    document: { tokens: 24 },
  });
});
