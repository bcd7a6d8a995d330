import type { ModelSampling } from "./defaults.ts";

/** Settings of the aliases; their GGUFs have none. */
export const published: Readonly<Record<string, ModelSampling>> = {
  smollm2: {
    settings: { temperature: 0, repetitionPenalty: 1.05 },
    from: "research/first-minute/results",
  },
  "qwen2.5-coder": {
    settings: { temperature: 0.7, topK: 20, topP: 0.8, repetitionPenalty: 1.1 },
    from: "generation_config.json of Qwen/Qwen2.5-Coder-0.5B-Instruct",
  },
  "qwen2.5-coder-1.5b": {
    settings: { temperature: 0.7, topK: 20, topP: 0.8, repetitionPenalty: 1.1 },
    from: "generation_config.json of Qwen/Qwen2.5-Coder-1.5B-Instruct",
  },
  gemma3: {
    settings: { temperature: 1, topK: 64, topP: 0.95 },
    from: "generation_config.json of google/gemma-3-270m",
  },
};
