/**
 * @file `sgool/node`: reading and writing files, which a browser cannot do: evaluations, their reports, weights.
 *
 * @packageDocumentation
 */
export { type Evaluation, readEvaluation } from '../evaluate/cells/run-folder.ts';
export { type SummariseOptions, summarise } from '../evaluate/report/summarise.ts';
export { type ReportOptions, type WrittenReport, writeReport } from '../evaluate/report/write-report.ts';
export type { Dtype, TensorData } from '../weights/formats/dtypes.ts';
export { type TensorToWrite, writeSafetensors } from '../weights/formats/write-safetensors.ts';
export type { AdapterInfo, WeightChange } from '../weights/open/adapter.ts';
export { writeAdapter } from '../weights/open/store-adapter.ts';
export { writeFileAtomic } from '../weights/sources/atomic-file.ts';
