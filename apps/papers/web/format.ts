/** `1 paper`, `17 papers`. */
export const count = (n: number, one: string): string => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

const PREFIXES = ["", "k", "M", "G", "T", "P"];

/** `3.2 GFLOP`. */
export function flops(n: number): string {
  const step = Math.min(PREFIXES.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, n)) / 3)));
  const value = n / 1000 ** step;
  return `${value.toFixed(value < 10 && step > 0 ? 1 : 0)} ${PREFIXES[step]}FLOP`;
}

export const milliseconds = (ms: number): string =>
  ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

/** An address with these parameters, except undefined and empty ones. */
export function address(path: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
  return query.size === 0 ? path : `${path}?${query}`;
}

export const paperPath = (id: string): string => `/papers/${encodeURIComponent(id)}`;
