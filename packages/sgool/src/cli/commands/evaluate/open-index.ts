/** @file The index of an evaluation for commands that look at it. */
import { syncStore } from '../../../evaluate/run-evaluation.ts';
import { CellStore } from '../../../evaluate/store/cell-store.ts';

/**
 * The index as it is; where there is none, it is made of the files. Cells of processes that are dead wait again.
 *
 * @param plan ids of all cells of the evaluation
 */
export async function openIndex(folder: string, plan: readonly string[]): Promise<CellStore> {
  const found = CellStore.open(folder);
  found.reclaim();
  if (found.counts().total > 0) return found;
  found.close();
  const made = CellStore.open(folder, plan);
  await syncStore(folder, made);
  return made;
}
