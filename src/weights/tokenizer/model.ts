/** The last step from text to ids. */
export interface Model {
  /** Appends the ids of one word. */
  encode(word: string, into: number[]): void;
}
