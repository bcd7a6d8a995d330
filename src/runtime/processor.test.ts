import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fastestBits, kernelInstructions, namesByteProducts, processorBits, processorClass } from "./processor.ts";

const x86 = (flags: string) =>
  `processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu sse2 ${flags} rdpid\nbugs\t\t: none\n`;
const arm = (features: string) => `processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd ${features}\n`;

test.each([
  ["x86 with AVX2 alone", x86("avx avx2 fma"), 4],
  ["x86 with AVX-512 but no VNNI", x86("avx2 avx512f avx512bw"), 4],
  ["x86 with AVX-512 VNNI", x86("avx2 avx512f avx512_vnni"), 8],
  ["x86 with AVX VNNI", x86("avx2 avx_vnni"), 8],
  ["x86 with AVX VNNI on 16 bits alone", x86("avx2 avx_vnni_int16"), 4],
  ["x86 with AMX", x86("amx_tile amx_int8"), 8],
  ["ARM without dot product", arm("aes crc32"), 4],
  ["ARM with dot product", arm("asimdhp asimddp"), 8],
  ["the last of its flags", "flags : sse2 avx_vnni\n", 8],
  ["a name elsewhere", `${x86("avx2")}bugs : avx_vnni\n`, 4],
  ["no flags", "processor\t: 0\nisa\t\t: rv64imafdc\n", 8],
  ["nothing", "", 8],
])("%s", (_, cpuinfo, bits) => {
  expect(fastestBits(cpuinfo)).toBe(bits);
});

test("a processor that says nothing names no byte product, and is not told to have none", () => {
  expect(namesByteProducts(x86("avx2 avx512_vnni"))).toBe(true);
  expect(namesByteProducts(arm("asimdhp asimddp"))).toBe(true);
  expect(namesByteProducts(x86("avx2"))).toBe(false);
  expect(namesByteProducts("")).toBeUndefined();
});

test.each([
  [x86("avx2 avx512_vnni amx_int8"), "AMX"],
  [x86("avx2 avx512f avx512_vnni"), "VNNI"],
  [x86("avx avx2 fma"), "AVX2"],
  [x86("avx"), undefined],
  [arm("asimdhp asimddp"), "dot-product"],
  ["", undefined],
])("the class of %j is %s", (cpuinfo, wanted) => {
  expect(processorClass(cpuinfo)).toBe(wanted);
});

test("instructions that choose kernels, in one order, and no others", () => {
  expect(kernelInstructions(x86("fma avx512_vnni avx2 aes"))).toEqual(["avx2", "avx512_vnni", "fma"]);
  expect(kernelInstructions(arm("sve2 aes"))).toEqual(["asimd", "sve2"]);
  expect(kernelInstructions("")).toEqual([]);
});

test("this machine's match its whole list", () => {
  expect(processorBits()).toBe(fastestBits(read("/proc/cpuinfo")));
});

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
