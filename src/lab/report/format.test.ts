import { expect, test } from "vitest";
import { bytesText, duration, figure, flopsText, percent, signed } from "./format.ts";

test.each([
  [flopsText(1.234e12), "1.23 TFLOP"],
  [flopsText(999.4e6), "999 MFLOP"],
  [flopsText(999.9e6), "1.00 GFLOP"],
  [flopsText(0), "0.00 FLOP"],
  [bytesText(345e6), "345 MB"],
  [percent(-0.00001), "0.0 %"],
  [percent(-0.05), "−5.0 %"],
  [figure(-0.0001), "0.000"],
  [signed(12.345), "+12.35"],
  [duration(9.96), "10.0 ms"],
  [duration(3400), "3.4 s"],
])("%s is written as %s", (text, expected) => expect(text).toBe(expected));
