import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load, type Model } from "../src/index.ts";
import { type Certificate, certificateFile, readCertificate } from "../src/savings/auto/certificate.ts";
import { priceAt } from "../src/savings/auto/choose.ts";
import { recipesOf } from "../src/savings/auto/ladder.ts";
import { UserError } from "../src/util/errors.ts";
import type { Bench, Side } from "./harness.ts";
import { median } from "./report.ts";
import { realSentences } from "./sentences.ts";

/** A price is good enough if its median error is below this share of the time. */
const WITHIN = 0.15;
/** The number of prompts for the tuning, and of similar prompts to price. */
const [TUNED, PRICED] = [60, 9];
/** The number of sentences in the longest prompt. */
const LONGEST = 16;
const ANSWER = 16;
const NAME = "price";
/** Candidates that lose so little that a few prompts certify them, at a high risk. */
const CANDIDATES = ["int8-prefill:digits=1", "lookup:match=2"];

const root = join(import.meta.dirname, "..");

/** Texts of 1 to `LONGEST` sentences, the lengths in turn. */
function prompts(count: number): string[] {
  const sentences = realSentences(count * LONGEST);
  return Array.from({ length: count }, (_, i) => {
    const text = sentences.slice(i * LONGEST, i * LONGEST + 1 + ((5 * i) % LONGEST)).join(" ");
    return `${text}\n\nWhat is this text about?`;
  });
}

/** Runs a short tuning on this machine, with the command that users run, in a temporary folder. */
async function tune(model: string, home: string, texts: readonly string[]): Promise<Certificate> {
  const [task, candidates] = [join(home, "prompts.jsonl"), join(home, "candidates.txt")];
  writeFileSync(task, texts.map((prompt) => `${JSON.stringify({ prompt })}\n`).join(""));
  writeFileSync(candidates, CANDIDATES.join("\n"));
  const what = ["--model", model, "--task", task, "--candidates", candidates, "--name", NAME];
  const how = ["--loss", "nats", "--temperature", "0", "--max-tokens", `${ANSWER}`, "--risk", "0.2"];
  const words = [join(root, "bin", "modicum.js"), "lab", "tune", ...what, ...how];
  const env = { ...process.env, MODICUM_HOME: home };
  const child = spawn(process.execPath, words, { env, stdio: ["ignore", "ignore", "inherit"] });
  // If the bench is stopped, the tuning is stopped as well.
  const end = () => void child.kill();
  process.once("exit", end);
  const [status] = await once(child, "exit");
  process.off("exit", end);
  if (status !== 0) throw new Error(`the tuning ended with ${status}`);
  if (!existsSync(certificateFile(NAME)))
    throw new UserError(
      "price: the short tuning found nothing that is cheaper than dense; try again on a quiet machine",
    );
  return readCertificate(NAME);
}

/** A price's error as a share of the answer's time, at the answer's actual length. */
async function errorOf(model: Model, { recipes }: Certificate, recipe: string, prompt: string): Promise<number> {
  const save = recipe.split(" ");
  const { receipt } = await model.complete(prompt, { maxTokens: ANSWER, temperature: 0, cachePrompt: false, save });
  const { ms, tokens } = receipt;
  const spent = ms.prefill + ms.decode;
  return Math.abs(priceAt(recipes[recipe]!.ms, tokens.prompt, tokens.completion) - spent) / spent;
}

/** First makes a certificate, then checks its prices on new prompts, with dense and each of its recipes in turn. */
class Prices implements Side {
  readonly name = "error of a price";
  readonly #home = mkdtempSync(join(tmpdir(), "modicum-bench-price-"));
  readonly #usual = process.env["MODICUM_HOME"];
  readonly #texts = prompts(TUNED + PRICED);
  #model: Model | undefined;
  #certificate: Certificate | undefined;

  constructor(private readonly path: string) {}

  async start(): Promise<void> {
    process.env["MODICUM_HOME"] = this.#home;
    this.#certificate = await tune(this.path, this.#home, this.#texts.slice(0, TUNED));
    this.#model = await load(this.path);
  }

  async run(): Promise<number> {
    const [model, certificate] = [this.#model!, this.#certificate!];
    const errors: number[] = [];
    for (const text of this.#texts.slice(TUNED))
      for (const recipe of ["dense", ...recipesOf(certificate.ladder)])
        errors.push(await errorOf(model, certificate, recipe, text));
    return median(errors);
  }

  async stop(): Promise<void> {
    this.#model?.dispose();
    if (this.#usual === undefined) delete process.env["MODICUM_HOME"];
    else process.env["MODICUM_HOME"] = this.#usual;
    rmSync(this.#home, { recursive: true, force: true });
  }
}

/** Compares the median of |predicted − spent| / spent over the prompts with the allowed error. */
export const price: Bench = {
  name: "price",
  unit: "share of the time",
  moreIsBetter: false,
  lifetime: "kept",
  defaultForm: true,
  sides: ({ path }) => ({
    ours: new Prices(path),
    theirs: { name: `at most ${WITHIN}`, start: async () => {}, run: async () => WITHIN, stop: async () => {} },
  }),
};
