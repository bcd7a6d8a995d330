/** Figures in the report, its plot and the tables. */

/** A quality with decimals appropriate to its size, and a true minus sign. */
export function figure(x: number): string {
  const size = Math.abs(x);
  const text = size.toFixed(size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0);
  return x < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** A difference: `+0.012`, `−0.004`, `0.000`. */
export const signed = (x: number): string => {
  const text = figure(x);
  return x > 0 && Number(text) !== 0 ? `+${text}` : text;
};

/** A share as a percentage: `34.9 %`. */
export const percent = (share: number): string =>
  `${(share * 100)
    .toFixed(1)
    .replace(/^-(?=.*[1-9])/, "−")
    .replace(/^-/, "")} %`;

export const range = ([low, high]: readonly [number, number], write = figure): string =>
  `[${write(low)}, ${write(high)}]`;

/** `1.23e12` with a unit prefix: `1.23 TFLOP`. */
export const flopsText = (flops: number): string => prefixed(flops, "FLOP");

/** `345e6` as `345 MB`. */
export const bytesText = (bytes: number): string => prefixed(bytes, "B");

function prefixed(x: number, unit: string): string {
  const step = Math.min(6, Math.max(0, Math.floor(Math.log10(Math.max(1, x)) / 3)));
  const text = (x / 1000 ** step).toPrecision(3);
  // 999.9 is 1000 to three digits.
  if (text.includes("e") && step < 6) return prefixed(1000 ** (step + 1), unit);
  return `${text} ${["", "K", "M", "G", "T", "P", "E"][step]}${unit}`;
}

/** `12 ms`, `3.4 s`. */
export const duration = (ms: number): string =>
  ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;

/** `1 item`, `20 items`. */
export const count = (n: number, what: string): string => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
