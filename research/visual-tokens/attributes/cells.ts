/** The recipes that the attribute world measures, by the page that shows them. */
export interface Cell {
  readonly page: "feather" | "yopo";
  readonly name: string;
  readonly recipe: readonly string[];
  /** True if the picture's cells change places at random. */
  readonly shuffled?: boolean;
}

/** The share to drop that leaves 42 of 156 visual tokens, as many as a grid of stride 2. */
const RATIO = 0.73;
/** Layers after which tokens are dropped. */
const DEPTHS = [1, 2, 3] as const;

const one = (after: number): Cell[] => {
  const at = `feather:after=${after},ratio=${RATIO}`;
  const cell = (name: string, recipe: string): Cell => ({
    page: "feather",
    name: `${name} ${after}`,
    recipe: [recipe],
  });
  return [
    cell("fastv", `${at},mode=fastv`),
    cell("no rotary", `${at},stride=0`),
    cell("uniform", `feather:after=${after},mode=uniform,stride=2`),
    cell("random", `${at},mode=random`),
    cell("union, as many", `${at},equal=true`),
  ];
};

export const featherCells: readonly Cell[] = [
  { page: "feather", name: "dense", recipe: [] },
  { page: "feather", name: "dense, shuffled", recipe: [], shuffled: true },
  ...DEPTHS.flatMap(one),
  { page: "feather", name: "two stages", recipe: ["feather:after=2,second=4,ratio=0.6,equal=true"] },
  { page: "feather", name: "one stage", recipe: ["feather:after=2,ratio=0.77,equal=true"] },
  { page: "feather", name: "feather 1, 3", recipe: ["feather:after=1,second=3,ratio=0.7"] },
  { page: "feather", name: "feather 2, 3", recipe: ["feather:after=2,second=3,ratio=0.7"] },
  { page: "feather", name: "fastv 2, 90 %", recipe: ["feather:after=2,ratio=0.9,mode=fastv"] },
];

/** The folder of the files of heads that `measure.ts` writes. */
export interface HeadFiles {
  readonly kept: string;
  readonly most: string;
  readonly random: string;
  /** The same of the layers after the first two, which keep all heads, as in the paper's masks. */
  readonly deep: string;
  readonly deepMost: string;
  readonly deepRandom: string;
}

const yopo = (name: string, ...recipe: string[]): Cell => ({ page: "yopo", name, recipe });

export const yopoCells = ({ kept, most, random, deep, deepMost, deepRandom }: HeadFiles): readonly Cell[] => [
  yopo("dense"),
  ...[5, 4, 3, 2, 1].map((layers) => yopo(`layers ${layers}`, `yopo:layers=${layers}`)),
  ...[2, 1, 0].map((radius) => yopo(`radius ${radius}`, `yopo:radius=${radius},causal=true`)),
  yopo("radius 2, later ones too", "yopo:radius=2"),
  yopo("least active heads dropped", `yopo:heads=${kept}`),
  yopo("most active heads dropped", `yopo:heads=${most}`),
  yopo("random heads dropped", `yopo:heads=${random}`),
  yopo("least active deep heads dropped", `yopo:heads=${deep}`),
  yopo("most active deep heads dropped", `yopo:heads=${deepMost}`),
  yopo("random deep heads dropped", `yopo:heads=${deepRandom}`),
  yopo("half of the neurons", "yopo:ffn=0.5"),
  yopo("all four", `yopo:layers=3,radius=2,causal=true,ffn=0.5,heads=${kept}`),
  yopo("layers 4, radius 2", "yopo:layers=4,radius=2,causal=true"),
  yopo("with feather", "feather:after=2,ratio=0.7,equal=true", "yopo:layers=4,radius=2,causal=true"),
];
