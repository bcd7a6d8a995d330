/**
 * Colours by meaning, after Okabe and Ito's palette, distinct for colour-blind people; kinds of points also differ by
 * shape and fill.
 */
const light = {
  ...{ ground: "#ffffff", ink: "#1b1b1b", faint: "#5f5f5f", line: "#d9d9d9", panel: "#f5f5f5" },
  ...{
    frontier: "#0072b2",
    dense: "#b34a00",
    other: "#707070",
    better: "#00694d",
    worse: "#b34a00",
    marked: "#ffe0b8",
  },
};
const dark: typeof light = {
  ...{ ground: "#16181c", ink: "#ececec", faint: "#a8a8a8", line: "#3d4148", panel: "#1f2228" },
  ...{
    frontier: "#56b4e9",
    dense: "#f0a030",
    other: "#a0a0a0",
    better: "#2fc59b",
    worse: "#f0a030",
    marked: "#6b4300",
  },
};

export type Colour = keyof typeof light;
export const colour = (name: Colour): string => `var(--${name})`;

const variables = (colours: typeof light): string =>
  Object.entries(colours)
    .map(([name, value]) => `--${name}: ${value};`)
    .join(" ");

/** The colours as CSS variables, light or dark as the reader prefers; paper is light. */
export const colourStyle = (element: string): string => `${element} { color-scheme: light dark; ${variables(light)} }
@media screen and (prefers-color-scheme: dark) { ${element} { ${variables(dark)} } }`;
