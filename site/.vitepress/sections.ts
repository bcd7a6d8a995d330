/** One section of the sidebar: the reader's goal, and the pages for it. */
export interface Section {
  readonly text: string;
  readonly collapsed?: boolean;
  readonly items: readonly { readonly text: string; readonly link: string }[];
}

const page = (text: string, path: string) => ({ text, link: `/${path}` });

export const sections: readonly Section[] = [
  {
    text: "Start",
    items: [
      page("Start", "start"),
      page("Models", "models"),
      page("Where models come from", "sources"),
      page("The command line", "command-line"),
    ],
  },
  {
    text: "Run",
    items: [
      page("Sampling", "sampling"),
      page("Code completion", "complete"),
      page("Encoders", "encoders"),
      page("Adapters", "adapters"),
      page("The receipt", "receipt"),
      page("The library", "library"),
    ],
  },
  {
    text: "Serve",
    items: [
      page("The server", "operate"),
      page("Completions", "completions"),
      page("Responses", "responses"),
      page("Behind a proxy", "proxy"),
      page("Deployment", "deploy"),
      page("Models on other servers", "fleet"),
    ],
  },
  {
    text: "Save",
    items: [
      page("Which saving for which task", "savings/"),
      page("auto: a recipe with a guarantee", "auto"),
      page("How a tuning works", "tune"),
      ...["lookup", "draft", "int8-prefill", "prune", "xattention", "minference", "flexprefill", "tri-shape"].map(
        saving,
      ),
      ...["exit", "dynamax", "sec", "feather", "yopo"].map(saving),
      page("Route between two models", "pipelines/route"),
      page("Route between two classifiers", "route-classify"),
      page("Vote", "pipelines/vote"),
      page("Plan, then execute", "pipelines/planner"),
    ],
  },
  {
    text: "Measure",
    items: [
      page("The lab", "lab"),
      page("Tasks", "lab-tasks"),
      page("Runs", "lab-runs"),
      page("Benchmarks", "benchmarks"),
    ],
  },
  {
    text: "Train",
    items: [
      page("Train a model", "train"),
      page("Train many runs", "sweeps"),
      page("Train exits", "train-exits"),
      page("Train on GPUs", "train-export"),
      page("Export a model", "export"),
      ...["dpo", "exits", "first", "grpo", "guard", "kto", "masked-diffusion", "moe", "orpo", "projector"].map(method),
      ...["sft", "simpo", "sparse", "ul2r"].map(method),
    ],
  },
  {
    text: "Search",
    items: [
      page("Search indexes", "retrieval"),
      page("Rerank: FIRST", "pipelines/first"),
      page("Classify: QZero", "pipelines/qzero"),
      page("Answer: ExpertRAG", "pipelines/expertrag"),
      page("Daily papers", "papers"),
    ],
  },
  {
    text: "See",
    items: [
      page("Asking about images", "vision"),
      page("Regions: RegionSpot", "pipelines/regionspot"),
      page("Images from noise", "imagine"),
    ],
  },
  {
    text: "Extend",
    collapsed: true,
    items: [
      page("Three walks through the code", "walk"),
      page("Add a model", "add-a-model"),
      page("Add a saving", "add-a-saving"),
      page("Add a pipeline", "add-a-pipeline"),
      page("Add an operator", "add-an-operator"),
    ],
  },
  {
    text: "Reference",
    collapsed: true,
    items: [
      page("Glossary", "glossary"),
      page("Architectures", "reference/models"),
      page("Against the authors' code", "authors-code"),
      page("Log", "log"),
    ],
  },
];

function saving(name: string) {
  return page(name, `savings/${name}`);
}

function method(name: string) {
  return page(`Method: ${name}`, `methods/${name}`);
}

/** Pages missing in the sidebar, and its entries that are not pages. `pages` are paths in docs/. */
export function strayPages(pages: readonly string[]): readonly string[] {
  const links = sections.flatMap(({ items }) => items.map(({ link }) => link));
  const published = pages.map((path) => `/${path.replace(/README\.md$/, "").replace(/\.md$/, "")}`);
  return [
    ...published.filter((link) => link !== "/" && !links.includes(link)),
    ...links.filter((link) => !published.includes(link)),
  ];
}
