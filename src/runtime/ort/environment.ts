import { poolThreads } from "../threads.ts";
import { NULL, ort, ortCreate, type Pointer } from "./api.ts";

/** Shared by all programs of the process: one thread pool, one allocator. */
export interface Environment {
  readonly env: Pointer;
  readonly allocator: Pointer;
  readonly cpu: Pointer;
  readonly threads: number;
}

// Errors reach the caller as exceptions; the library must not print them as well.
const LOG_FATAL_ONLY = 4;
const ARENA = 1;
const DEFAULT_MEMORY = 0;

let shared: Environment | undefined;

/** The process's one environment: programs share its thread pool, so idle programs cost nothing. */
export function environment(): Environment {
  shared ??= create();
  return shared;
}

function create(): Environment {
  const threads = poolThreads();
  const options = ortCreate("CreateThreadingOptions");
  ort("SetGlobalIntraOpNumThreads", options, threads);
  ort("SetGlobalInterOpNumThreads", options, 1);
  ort("SetGlobalSpinControl", options, 1);
  const env = ortCreate("CreateEnvWithGlobalThreadPools", LOG_FATAL_ONLY, "modicum", options);
  const cpu = ortCreate("CreateCpuMemoryInfo", ARENA, DEFAULT_MEMORY);
  ort("CreateAndRegisterAllocator", env, cpu, NULL);
  return { env, cpu, threads, allocator: ortCreate("GetAllocatorWithDefaultOptions") };
}
