/**
 * @file `sgool/node`: writing files, which a browser cannot do.
 *
 * @packageDocumentation
 */
export type { Dtype, TensorData } from '../weights/formats/dtypes.ts';
export { type TensorToWrite, writeSafetensors } from '../weights/formats/write-safetensors.ts';
export { writeFileAtomic } from '../weights/sources/atomic-file.ts';
