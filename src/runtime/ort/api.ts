import koffi from "koffi";
import { ortLibrary } from "./library.ts";

/** Address of a native object; 0n is null. */
export type Pointer = bigint;
export const NULL: Pointer = 0n;

/** An argument to a C function: an address, a typed array (passed without copying), a string, a number. */
type Argument = Pointer | ArrayBufferView | string | number | null;

// WebGPU's shader compiler needs more stack than koffi's 256 kB for calls on other threads.
const STACK = 4 * 2 ** 20;
koffi.config({ sync_stack_size: STACK, async_stack_size: STACK });

/** Position in the `OrtApi` table (onnxruntime_c_api.h, 1.21; the table only grows at its end) and argument types. */
const functions = {
  CreateSessionFromArray: [8, ["void *", "void *", "size_t", "void *", "void *"]],
  Run: [9, ["void *", "void *", "void *", "void *", "size_t", "void *", "size_t", "void *"]],
  CreateSessionOptions: [10, ["void *"]],
  SetSessionGraphOptimizationLevel: [23, ["void *", "int"]],
  SetIntraOpNumThreads: [24, ["void *", "int"]],
  CreateTensorAsOrtValue: [48, ["void *", "void *", "size_t", "int", "void *"]],
  CreateTensorWithDataAsOrtValue: [49, ["void *", "void *", "size_t", "void *", "size_t", "int", "void *"]],
  GetTensorMutableData: [51, ["void *", "void *"]],
  CreateMemoryInfo: [68, ["str", "int", "int", "int", "void *"]],
  CreateCpuMemoryInfo: [69, ["int", "int", "void *"]],
  GetAllocatorWithDefaultOptions: [78, ["void *"]],
  CreateEnvWithGlobalThreadPools: [119, ["int", "str", "void *", "void *"]],
  DisablePerSessionThreads: [120, ["void *"]],
  CreateThreadingOptions: [121, ["void *"]],
  AddSessionConfigEntry: [130, ["void *", "str", "str"]],
  CreateAllocator: [131, ["void *", "void *", "void *"]],
  CreateAndRegisterAllocator: [144, ["void *", "void *", "void *"]],
  SetGlobalIntraOpNumThreads: [147, ["void *", "int"]],
  SetGlobalInterOpNumThreads: [148, ["void *", "int"]],
  SetGlobalSpinControl: [149, ["void *", "int"]],
  AddInitializer: [150, ["void *", "str", "void *"]],
  CreatePrepackedWeightsContainer: [166, ["void *"]],
  SessionOptionsAppendExecutionProvider: [216, ["void *", "str", "void *", "void *", "size_t"]],
  CreateSessionFromArrayWithPrepackedWeightsContainer: [
    169,
    ["void *", "void *", "size_t", "void *", "void *", "void *"],
  ],
} as const satisfies Record<string, readonly [number, readonly string[]]>;

const releases = {
  ...{ ReleaseSession: 95, ReleaseValue: 96, ReleaseSessionOptions: 100 },
  ...{ ReleaseMemoryInfo: 94, ReleaseAllocator: 132, ReleasePrepackedWeightsContainer: 167 },
} as const;

export type OrtFunction = keyof typeof functions;
type Callable = {
  (...args: Argument[]): Pointer;
  async(...args: [...Argument[], (error: Error | null, status: Pointer) => void]): void;
};

const bound = new Map<number, Callable>();

/** The function at `index` of the table; koffi makes one callable per function, kept until the process ends. */
function at(index: number, result: string, args: readonly string[]): Callable {
  const known = bound.get(index);
  if (known) return known;
  const address = koffi.decode(ortLibrary().table, index * 8, "void *");
  const callable = koffi.decode(address, koffi.proto(result, [...args])) as Callable;
  bound.set(index, callable);
  return callable;
}

const callable = (name: OrtFunction) => at(functions[name][0], "void *", functions[name][1]);

/** If a call failed, frees its status and throws an error with the status's message. */
function check(name: string, status: Pointer | null): void {
  if (!status) return;
  const message = at(2, "const char *", ["void *"])(status) as unknown as string;
  at(93, "void", ["void *"])(status);
  throw new Error(`ONNX Runtime, ${name}: ${message}`);
}

/** Calls a function of the C API; if it fails, throws an error with the library's message. */
export function ort(name: OrtFunction, ...args: Argument[]): void {
  check(name, callable(name)(...args));
}

/** Keeps the arguments of running calls alive: the library uses their memory. */
const inFlight = new Set<readonly Argument[]>();

/** Like `ort`, on a worker thread, so that the event loop is not blocked. */
export function ortAsync(name: OrtFunction, ...args: Argument[]): Promise<void> {
  inFlight.add(args);
  return new Promise((resolve, reject) => {
    callable(name).async(...args, (error, status) => {
      inFlight.delete(args);
      try {
        if (error) throw error;
        check(name, status);
        resolve();
      } catch (failure) {
        reject(failure);
      }
    });
  });
}

/** Calls a function whose last argument receives an address, and returns the address. */
export function ortCreate(name: OrtFunction, ...args: Argument[]): Pointer {
  const out = new BigUint64Array(1);
  ort(name, ...args, out);
  return out[0]!;
}

export function release(name: keyof typeof releases, object: Pointer): void {
  at(releases[name], "void", ["void *"])(object);
}
