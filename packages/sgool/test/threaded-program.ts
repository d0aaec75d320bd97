/** @file A program whose work runs in a thread, as that of commands which make images: for tests of the thread. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { Host } from '../src/cli/host.ts';
import { openOutputs } from '../src/cli/terminal/output.ts';
import { inThread, runInThread, type ThreadData } from '../src/cli/thread.ts';

/**
 * Runs `work` in a thread that begins with the same file.
 *
 * @param entry `import.meta.url` of the program
 * @param work gets the arguments of the program, which are paths of records to guard
 */
export async function threadedProgram(
  entry: string,
  work: (host: Host, records: readonly string[]) => Promise<number>,
): Promise<void> {
  if (isMainThread || !parentPort) {
    const outputs = openOutputs(process);
    const code = await runInThread(new URL(entry), process.argv.slice(2), outputs);
    process.exitCode = await outputs.finish(code);
  } else {
    const data = workerData as ThreadData;
    await inThread(parentPort, data, (host) => work(host, data.argv));
  }
}
