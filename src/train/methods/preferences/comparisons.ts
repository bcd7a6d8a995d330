/** A sample of two sequences, in adjacent rows of a batch. */
export interface ComparedSample {
  /** The index of the sample's first sequence among the run's sequences; the second follows. */
  readonly place: number;
  /** For each sequence, the first position that predicts its completion. */
  readonly starts: readonly [number, number];
  /** For KTO: true if the completion is wanted. */
  readonly label?: boolean;
}

/** A batch's samples, in the order of its rows. */
export interface ComparisonBatch {
  readonly samples: readonly ComparedSample[];
  readonly of: Comparisons;
  /** True to store the batch's log-probabilities as the reference's. */
  readonly records?: boolean;
}

/** A run's comparisons: the reference's log-probabilities, and the current step's metrics. */
export class Comparisons {
  /** Each sequence's log-probability under the model at the start of the run; NaN until computed. */
  readonly reference: Float32Array<ArrayBuffer>;
  readonly #figures = new Map<string, number[]>();

  constructor(sequences: number) {
    this.reference = new Float32Array(sequences).fill(Number.NaN);
  }

  knows({ samples }: ComparisonBatch): boolean {
    return samples.every(({ place }) => !this.reference.subarray(place, place + 2).some(Number.isNaN));
  }

  /** Adds a sample's metrics to the step's. */
  add(figures: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(figures))
      this.#figures.set(name, [...(this.#figures.get(name) ?? []), value]);
  }

  clear(): void {
    this.#figures.clear();
  }

  /** The means of the step's metrics, under TRL's names. */
  get metrics(): Readonly<Record<string, number>> {
    const means = Object.fromEntries(
      Array.from(this.#figures, ([name, all]): [string, number] => [name, all.reduce((a, b) => a + b, 0) / all.length]),
    );
    const { "rewards/chosen": chosen, "rewards/rejected": rejected } = means;
    const margin = chosen !== undefined && rejected !== undefined && { "rewards/margins": chosen - rejected };
    return { ...means, ...margin };
  }
}
