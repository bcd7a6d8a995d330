/** A changed default of a saving's option. */
export interface DefaultChange {
  /** The Modicum version with the new default. */
  readonly version: string;
  readonly saving: string;
  readonly option: string;
  /** The old and new defaults, as a recipe writes them. */
  readonly before: string;
  readonly now: string;
  readonly reason: string;
  /** Another option of the saving; if it is set, the changed option has no default. */
  readonly unless?: string;
}

/**
 * Every change of a default, oldest first. Recipes registered or measured earlier keep the old default; CHANGELOG.md
 * lists them (`npx tsx tools/options.ts`).
 */
export const defaultChanges: readonly DefaultChange[] = [
  {
    ...{ version: "unreleased", saving: "dynamax", option: "fill" },
    ...{ before: "copy-kv/ssm-partial", now: "copy-hidden/copy-kv/ssm-partial", unless: "risk" },
    reason:
      "on models that were not trained for exits, most of the loss in a text's likelihood comes from copied keys and values ([figures](research/exits/README.md))",
  },
  {
    ...{ version: "unreleased", saving: "int8-prefill", option: "rotation", before: "0", now: "32" },
    reason:
      "several times closer to float32, and not measurably slower ([figures](research/forms/log.md#prompts-in-bytes-rotated-by-hadamard-blocks-of-32))",
  },
];

/** The oldest defaults of a saving's changed options. */
export const oldestDefaults = (
  saving: string,
  changes: readonly DefaultChange[] = defaultChanges,
): readonly DefaultChange[] =>
  changes.filter(
    (change, i) =>
      change.saving === saving &&
      changes.findIndex((other) => other.saving === saving && other.option === change.option) === i,
  );
