import type { Interval } from "../../src/lab/metrics/bootstrap.ts";

/** A number with its sign, to three digits. */
export const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

export const interval = ([low, high]: Interval): string => `[${low.toFixed(3)}, ${high.toFixed(3)}]`;
