import { Command, CommanderError } from "commander";
import { version } from "../util/package-root.ts";
import { calledBy, report, usage } from "./errors.ts";

interface Verb {
  summary: string;
  /** True if it fetches neither models nor data. */
  local?: true;
  /** A verb's options are defined only when it is called: loading them all would cost more than an answer's first token. */
  load: () => Promise<{ define(command: Command, words: readonly string[]): void | Promise<void> }>;
}

const verbs: Readonly<Record<string, Verb>> = {
  run: { summary: "answer a prompt", load: () => import("./commands/run.ts") },
  chat: { summary: "talk with a model in the terminal", load: () => import("./commands/chat.ts") },
  complete: { summary: "complete a source file at a place", load: () => import("./commands/complete.ts") },
  embed: { summary: "turn texts into vectors", load: () => import("./commands/embed.ts") },
  classify: { summary: "classify a text", load: () => import("./commands/classify.ts") },
  recognize: { summary: "name the regions of a picture", load: () => import("./commands/recognize.ts") },
  rerank: { summary: "rank texts by relevance to a query", load: () => import("./commands/rerank.ts") },
  index: { summary: "create, fill and list search indexes", load: () => import("./commands/index.ts") },
  search: { summary: "search an index", load: () => import("./commands/search.ts") },
  answer: { summary: "answer a question, looking it up if needed", load: () => import("./commands/answer.ts") },
  route: {
    summary: "calibrate a pair of models for routing",
    load: () => import("./commands/route.ts"),
  },
  imagine: { summary: "draw images with a diffusion model", load: () => import("./commands/imagine.ts") },
  train: { summary: "train a model", load: () => import("./commands/train.ts") },
  pull: { summary: "download a model", load: () => import("./commands/pull.ts") },
  list: { summary: "list the models on this machine", local: true, load: () => import("./commands/list.ts") },
  show: { summary: "show a model's structure and cost", load: () => import("./commands/show.ts") },
  rm: { summary: "delete a downloaded model", local: true, load: () => import("./commands/rm.ts") },
  serve: { summary: "serve models over HTTP with OpenAI's API", load: () => import("./commands/serve.ts") },
  ps: { summary: "list the models in a server's memory", local: true, load: () => import("./commands/ps.ts") },
  keys: {
    summary: "create, list and revoke the server's API keys",
    local: true,
    load: () => import("./commands/keys.ts"),
  },
  bench: { summary: "run a benchmark (in a clone of the project)", load: () => import("./commands/bench.ts") },
  export: { summary: "export a model as ONNX, safetensors or GGUF", load: () => import("./commands/export.ts") },
  merge: { summary: "merge LoRA adapters, also into a model", load: () => import("./commands/merge.ts") },
  lab: { summary: "measure what savings cost in quality", load: () => import("./commands/lab.ts") },
  receipts: { summary: "list receipts with totals", local: true, load: () => import("./commands/receipts.ts") },
  papers: { summary: "a page of daily papers on this machine", load: () => import("./commands/papers.ts") },
  recipes: { summary: "list registered recipes", local: true, load: () => import("./commands/recipes.ts") },
  savings: {
    summary: "list savings, pipelines and methods with their options",
    load: () => import("./commands/savings.ts"),
  },
  doctor: { summary: "check this machine's setup", local: true, load: () => import("./commands/doctor.ts") },
};

function build(): Command {
  const program = new Command("modicum")
    .description("Runs language models with only the compute each input needs. Every answer has a receipt.")
    .version(version())
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ outputError: (text, write) => write(text.replace("\n(", " (")) })
    .showHelpAfterError()
    // By the environment, so that whatever fetches obeys, also in processes that the verb starts.
    .hook("preAction", (_, command) => {
      if (command.optsWithGlobals()["offline"]) process.env["HF_HUB_OFFLINE"] = "1";
    });
  for (const [name, { summary }] of Object.entries(verbs)) program.command(name).description(summary);
  return program;
}

/** Runs the verb that `words` call; sets the exit status of the process if it fails. */
export async function runProgram(words: readonly string[]): Promise<void> {
  const program = build();
  const name = words[0] === "help" ? words[1] : words[0];
  const command = program.commands.find((c) => c.name() === name);
  try {
    if (command) {
      const { load, local = false } = verbs[command.name()]!;
      await (await load()).define(command, words.slice(1));
      if (!local) addOffline(command);
      showUsage(command);
    }
    // Help on an unknown verb is that verb's error.
    const unknown = words[0] === "help" && name !== undefined && !command;
    await program.parseAsync(unknown ? [name] : words, { from: "user" });
  } catch (error) {
    // Commander has printed the usage error, or the help.
    process.exitCode =
      error instanceof CommanderError
        ? Math.min(error.exitCode, 1) * 2
        : report(error, command && calledBy(words.slice(1), command));
  }
}

const OFFLINE = "fetch no model and no data: use what is on this machine";

function addOffline(command: Command): void {
  command.option("--offline", OFFLINE);
  for (const inner of command.commands) addOffline(inner);
}

/** A wrong call shows the usage of its verb. */
function showUsage(command: Command): void {
  command.showHelpAfterError(usage(command));
  for (const inner of command.commands) showUsage(inner);
}
