/** A field that changes the answer on other servers, or on the command line; unsupported here. */
export interface UnsupportedField {
  /** True if the value would not change the answer on other servers either. */
  readonly neutral: (value: unknown) => boolean;
  /** The field with the same effect here. */
  readonly instead?: string;
}

const empty = (value: unknown): boolean =>
  value === false || value === "" || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
const only =
  (...values: readonly unknown[]) =>
  (value: unknown): boolean =>
    values.includes(value);
const never = (): boolean => false;

const each = (names: string, neutral: UnsupportedField["neutral"], instead?: string): [string, UnsupportedField][] =>
  names.split(" ").map((name) => [name, { neutral, ...(instead && { instead }) }]);

const FORMAT = "response_format with a JSON schema";

/** Fields of the APIs of OpenAI, vLLM, llama.cpp and Ollama; an endpoint still reads the fields in its own schema. */
export const unsupported: ReadonlyMap<string, UnsupportedField> = new Map([
  // Fields for an answer's format.
  ...each("grammar guided_regex guided_choice guided_grammar structural_tag regex ebnf", empty, FORMAT),
  ...each("format", empty, FORMAT),
  ...["regex", "choice", "grammar", "structural_tag"].flatMap((name) =>
    each(`structured_outputs.${name}`, empty, "structured_outputs.json"),
  ),
  // Fields for an answer's length and end.
  ...each("n_predict num_predict", only(-1), "max_tokens"),
  ...each("max_new_tokens max_output_tokens max_length", never, "max_tokens"),
  ...each("min_tokens min_new_tokens", only(0)),
  ...each("stop_sequences", empty, "stop"),
  ...each("stop_token_ids bad_words ignore_eos include_stop_str_in_output", empty),
  // Sampling fields.
  ...each("repeat_penalty", only(1), "repetition_penalty"),
  ...each("typical_p tfs_z length_penalty best_of", only(1)),
  ...each("mirostat top_a dynatemp_range xtc_probability dry_multiplier", only(0)),
  ...each("top_n_sigma", only(-1, 0)),
  ...each("use_beam_search allowed_token_ids logits_processors samplers lora vllm_xargs", empty),
  // Reasoning switches. `false` is not neutral: it turns reasoning off.
  ...each("reasoning think enable_thinking", only(null), "reasoning_effort or chat_template_kwargs"),
  ...each("thinking_budget", only(null), "thinking_token_budget"),
  ...each("thinking_token_budget", only(null), "POST /v1/chat/completions"),
  // The command line's name for savings.
  ...each("save", empty, "savings"),
  // Fields that change the model's input.
  ...each("system", empty, 'a message of the role "system"'),
  ...each("chat_template template documents context images prompt_embeds", empty),
  ...each("mm_processor_kwargs echo suffix", empty),
  ...each("raw", empty, "POST /v1/completions"),
  ...each("truncate_prompt_tokens", never),
  ...each("options", empty, "temperature, top_p … as fields of the request"),
  ...each("function_call", only("none", "auto"), "tools and tool_choice"),
  ...each("audio", empty),
  ...each("web_search_options", never),
  // Fields for vectors and scores.
  ...each("embd_normalize", only(2)),
  ...each("late_chunking", empty),
  ...each("use_activation activation softmax", only(true)),
]);
