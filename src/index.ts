/** Modicum as a library. */

export type { FinishReason, GenerateInput } from "./engine/answer/generate.ts";
export type { Classification, Reading } from "./engine/encoder/classifier.ts";
export type { CalibrateTerms, ProfileOptions } from "./engine/file/profile.ts";
export type { Format } from "./engine/grammar/index.ts";
export { encodePng, type Picture } from "./engine/image/encode.ts";
export type { ImageInput } from "./engine/image/input.ts";
export type { Prompt } from "./engine/language-model.ts";
export type { Sampled } from "./engine/sampling/sampler.ts";
export {
  estimateTraining,
  resumeTraining,
  type SweepCall,
  type TrainCall,
  train,
  trainPhases,
  trainSweep,
} from "./lab/training/train.ts";
export type { Receipt } from "./ledger/receipt.ts";
export type { Ledger } from "./ledger/store.ts";
export { together as sumReceipts } from "./ledger/together.ts";
export {
  type Answered,
  type AnsweredChunk,
  type AnswererCallOptions,
  type AnswererOptions,
  AnswerPipeline,
  openAnswerer,
} from "./library/answer-pipeline.ts";
export { type AnswerRow, type CalibrateAnswersOptions, calibrateAnswers } from "./library/calibrate-answer.ts";
export {
  type Calibrated,
  type CalibrateOptions,
  type CalibrationRow,
  calibrateRoute,
} from "./library/calibrate-route.ts";
export {
  type ClassifierOptions,
  ClassifyPipeline,
  type EvidenceInput,
  type LookupClassifyOptions,
  openClassifier,
} from "./library/classify-pipeline.ts";
export { load } from "./library/load.ts";
export { Model } from "./library/model.ts";
export {
  type CreateIndexOptions,
  createIndex,
  deleteIndex,
  type IndexOptions,
  listIndexes,
  openIndex,
} from "./library/open-index.ts";
export { openReceipts } from "./library/open-receipts.ts";
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
export {
  openPipeline,
  type PipelineOptions,
  type RoutedChunk,
  type RoutedCompletion,
  RoutePipeline,
} from "./library/pipeline.ts";
export {
  openPlanner,
  type PlannedChunk,
  type PlannedCompletion,
  type PlannedOptions,
  type PlannerOptions,
  PlanPipeline,
} from "./library/plan-pipeline.ts";
export { calibrateSaving, profileThresholds, saveCalibration, saveProfile } from "./library/profile.ts";
export {
  openRecognizer,
  RecognizePipeline,
  type RecognizerOptions,
} from "./library/recognize-pipeline.ts";
export { checkReranker, openReranker, type RerankerOptions, RerankPipeline } from "./library/rerank-pipeline.ts";
export { type AddOptions, SearchIndex, type SearchOptions } from "./library/search-index.ts";
export { exportTraining, type InterpolateOptions, interpolate, trainingReport } from "./library/train.ts";
export { type TrainExitsOptions, trainExits } from "./library/train-exits.ts";
export {
  type GuardCall,
  type MaskCall,
  maskTensors,
  trainGuard,
  type WrittenMask,
} from "./library/train-guard.ts";
export { trainImageText, trainRegionBridge, trainRegionLocaliser } from "./library/train-regions.ts";
export type { Retrieval } from "./pipelines/answer/answer.ts";
export type { AnswerInput } from "./pipelines/answer/options.ts";
export { checkEmbedder } from "./pipelines/classify/embedder.ts";
export { type LabelModel, labelModelOf } from "./pipelines/classify/label-model.ts";
export type { Reranked, WindowTrace } from "./pipelines/first/first.ts";
export type { FirstInput } from "./pipelines/first/options.ts";
export type { LabelsInput } from "./pipelines/qzero/labels.ts";
export type { QZeroInput } from "./pipelines/qzero/options.ts";
export type { Explanation, QZeroAnswer, QZeroResult } from "./pipelines/qzero/qzero.ts";
export type { Recognized, RecognizedRegion } from "./pipelines/recognize/recognize.ts";
export {
  type CascadeOptions,
  type CascadeTerms,
  ClassifyCascade,
  type RoutedClassification,
} from "./pipelines/route/classify.ts";
export { type OpenedPair, openClassifyPair, type PairOptions } from "./pipelines/route/classify-pair.ts";
export type { Route } from "./pipelines/route/route.ts";
export type { Added } from "./retrieval/add.ts";
export type { Document, DocumentInput } from "./retrieval/document.ts";
export type { Ranker, SearchResult } from "./retrieval/search.ts";
export type { ThresholdProfile } from "./savings/attention/xattention/thresholds.ts";
export type { Learnt } from "./savings/calibration.ts";
export type { ExitsFile } from "./savings/depth/exits/artefact.ts";
export type { Estimate } from "./train/estimate.ts";
export type { ExportedRun } from "./train/export/trl.ts";
export type { GuardInput } from "./train/guard/options.ts";
export { bootstrapLaw, type LawIntervals } from "./train/methods/sparse/law/bootstrap.ts";
export {
  type FitOptions,
  type FittedLaw,
  fitScalingLaw,
  type Law,
  type Point,
  predictLoss,
} from "./train/methods/sparse/law/fit.ts";
export { planRun, type RunPlan, type RunPlanOptions } from "./train/methods/sparse/law/plan.ts";
export { lawPoints } from "./train/methods/sparse/law/points.ts";
export { type Shrunk, shrinkModel } from "./train/methods/sparse/shrink.ts";
export type { TrainInput } from "./train/options.ts";
export type { PhasesInput } from "./train/phases/options.ts";
export type { PhasesResult } from "./train/phases/phases.ts";
export type { TrainingReceipt } from "./train/receipt.ts";
export type { TrainingSummary } from "./train/report/run.ts";
export type { TrainingReport } from "./train/report/write.ts";
export type { StepReport } from "./train/run.ts";
export type { TrainResult } from "./train/session.ts";
export type { SweepInput } from "./train/sweep/grid.ts";
export type { SweepResult } from "./train/sweep/sweep.ts";
export { UserError } from "./util/errors.ts";
export type { ChatMessage } from "./weights/tokenizer/index.ts";
