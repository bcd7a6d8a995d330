/** The module `modicum/train`: training. */

export {
  estimateTraining,
  resumeTraining,
  type SweepCall,
  type TrainCall,
  train,
  trainPhases,
  trainSweep,
} from "./lab/training/train.ts";
export { exportTraining, type InterpolateOptions, interpolate, trainingReport } from "./library/train.ts";
export { type TrainExitsOptions, trainExits } from "./library/train-exits.ts";
export { type GuardCall, type MaskCall, maskTensors, trainGuard, type WrittenMask } from "./library/train-guard.ts";
export { trainImageText, trainRegionBridge, trainRegionLocaliser } from "./library/train-regions.ts";
export type { ExportedRun } from "./train/export/trl.ts";
export type { GuardInput } from "./train/methods/guard/options.ts";
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
export type { TrainingSummary } from "./train/report/run.ts";
export type { TrainingReport } from "./train/report/write.ts";
export type { Estimate } from "./train/session/estimate.ts";
export type { TrainingReceipt } from "./train/session/receipt.ts";
export type { StepReport } from "./train/session/run.ts";
export type { TrainResult } from "./train/session/session.ts";
export type { SweepInput } from "./train/sweep/grid.ts";
export type { SweepResult } from "./train/sweep/sweep.ts";
