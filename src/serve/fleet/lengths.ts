/** Fields that set the length of an answer. Servers receive only `max_tokens`, which they all support. */
export const LENGTHS: readonly string[] = [
  ...["max_tokens", "max_completion_tokens", "max_new_tokens", "max_output_tokens", "max_length"],
  ...["min_tokens", "min_new_tokens", "n_predict", "num_predict"],
];
