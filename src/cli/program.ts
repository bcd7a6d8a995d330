import { Command, CommanderError } from "commander";
import { suggest, UserError } from "../util/errors.ts";
import { version } from "../util/package-root.ts";
import { calledBy, callOf, report, usage } from "./errors.ts";
import { examples, shortHelp, wholeHelp } from "./help.ts";
import { print } from "./output.ts";
import type { Words } from "./verbs.ts";

interface Verb {
  summary: string;
  /** True if the verb fetches neither models nor data. */
  local?: true;
  /** A verb's options are defined only when it is called: loading them all would take longer than the first token. */
  load: () => Promise<{ define(command: Command, words: Words): void | Promise<void> }>;
}

const verbs: Readonly<Record<string, Verb>> = {
  run: { summary: "answer a prompt", load: () => import("./commands/run.ts") },
  chat: { summary: "chat with a model in the terminal", load: () => import("./commands/chat.ts") },
  complete: { summary: "complete a source file at a line and column", load: () => import("./commands/complete.ts") },
  embed: { summary: "turn texts into vectors", load: () => import("./commands/embed.ts") },
  classify: { summary: "classify a text", load: () => import("./commands/classify.ts") },
  recognize: { summary: "name the regions of a picture", load: () => import("./commands/recognize.ts") },
  rerank: { summary: "rank texts by relevance to a query", load: () => import("./commands/rerank.ts") },
  index: { summary: "create, fill and list search indexes", load: () => import("./commands/index.ts") },
  search: { summary: "search an index", load: () => import("./commands/search.ts") },
  answer: { summary: "answer a question, with a search if needed", load: () => import("./commands/answer.ts") },
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
  merge: { summary: "merge LoRA adapters with each other or into a model", load: () => import("./commands/merge.ts") },
  lab: { summary: "measure what savings cost in quality", load: () => import("./commands/lab.ts") },
  receipts: { summary: "list receipts with totals", local: true, load: () => import("./commands/receipts.ts") },
  papers: { summary: "collect daily papers and serve their pages", load: () => import("./commands/papers.ts") },
  recipes: { summary: "list registered recipes", local: true, load: () => import("./commands/recipes.ts") },
  savings: {
    summary: "list savings, pipelines and methods with their options",
    load: () => import("./commands/savings.ts"),
  },
  doctor: { summary: "check this machine's setup", local: true, load: () => import("./commands/doctor.ts") },
  completion: {
    summary: "print a script that completes commands in a shell",
    local: true,
    load: async () => {
      const { define } = await import("./commands/completion.ts");
      return { define: (command) => define(command, wholeProgram) };
    },
  },
  help: { summary: "show help on a verb or a topic", local: true, load: async () => ({ define: defineHelp }) },
};

/** The program with its verbs; only called verbs get options. */
function build(): Command {
  const program = new Command("modicum").usage("VERB [options]");
  program
    .description("Run language models with only the compute each input needs.")
    .configureHelp(shortHelp)
    .version(version())
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ outputError: (text, write) => write(text.replace("\n(", " (")) })
    .showHelpAfterError(usage(program))
    // Set in the environment, so that every fetch is offline, even in processes that the verb starts.
    .hook("preAction", (_, command) => {
      if (command.optsWithGlobals()["offline"]) process.env["HF_HUB_OFFLINE"] = "1";
    });
  for (const [name, { summary }] of Object.entries(verbs)) program.command(name).description(summary);
  return examples(program, 'modicum run "Why is the sky blue?"');
}

/** The program with the options of every verb. */
export async function wholeProgram(): Promise<Command> {
  const program = build();
  for (const command of program.commands) await defineVerb(command, { includes: () => true });
  return program;
}

/** Defines the options of a verb, and of the verbs below it that `words` name. */
async function defineVerb(command: Command, words: Words): Promise<void> {
  const { load, local = false } = verbs[command.name()]!;
  await (await load()).define(command, words);
  if (!local) addOffline(command);
  showUsage(command);
}

/** Runs the verb that `words` call; sets the exit status of the process if it fails. */
export async function runProgram(words: readonly string[]): Promise<void> {
  const program = build();
  const command = program.commands.find((c) => c.name() === words[0]);
  try {
    if (command) await defineVerb(command, words.slice(1));
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    // Commander has printed the usage error, or the help.
    process.exitCode =
      error instanceof CommanderError
        ? Math.min(error.exitCode, 1) * 2
        : report(error, command && calledBy(words.slice(1), command));
  }
}

function defineHelp(command: Command): void {
  command
    .argument("[verb|topic...]", "a verb, a verb and the verb below it, or a topic")
    .option("--all", "show all options, in groups")
    .action(showHelp);
  examples(command, "modicum help run --all", "modicum help lab tune", "modicum help topics");
}

async function showHelp([name, ...inner]: string[], { all = false }: { all?: boolean }, { parent }: Command) {
  const program = parent!;
  if (name === undefined) return program.outputHelp();
  const verb = program.commands.find((c) => c.name() === name);
  if (!verb) return await showTopic(name, program);
  if (verb.commands.length === 0 && name !== "help") await defineVerb(verb, inner);
  const called = calledBy(inner, verb);
  const call = [name, ...inner].join(" ");
  if (callOf(called) !== `modicum ${call}`) throw new UserError(`there is no verb "${call}"`, 2);
  called.configureHelp(all ? wholeHelp : shortHelp).outputHelp();
}

/** Prints the help on a topic, a saving, a pipeline or a method. @throws UserError if nothing has that name */
async function showTopic(name: string, program: Command): Promise<void> {
  const { topicText, topicNames } = await import("./topics.ts");
  const text = topicText(name);
  if (text !== undefined) return print(text);
  const [{ catalogue }, { detailLines }] = await Promise.all([
    import("../library/catalogue.ts"),
    import("./savings-text.ts"),
  ]);
  const all = await catalogue();
  const listed = all.filter((one) => one.name === name);
  if (listed.length > 0) return print(listed.map((one) => detailLines(one).join("\n")).join("\n\n"));
  const names = [...program.commands.map((c) => c.name()), ...topicNames, ...all.map((one) => one.name)];
  throw new UserError(`there is no verb and no topic "${name}"${suggest(name, names)}`, 2);
}

const OFFLINE = "use only models and data on this machine";

function addOffline(command: Command): void {
  command.option("--offline", OFFLINE);
  for (const inner of command.commands) addOffline(inner);
}

/** Makes a wrong call print its verb's usage. */
function showUsage(command: Command): void {
  command.showHelpAfterError(usage(command));
  for (const inner of command.commands) showUsage(inner);
}
