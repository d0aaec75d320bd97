/** @file Our side: one work in a process that stays alive. `side.ts` is the other end. */
import { createInterface } from 'node:readline';
import { readNumbers, writeNumbers } from './numbers.ts';
import { preparations } from './ours-works.ts';
import type { RunAnswer, RunRequest, Work } from './work.ts';

const work = JSON.parse(process.argv[2]) as Work;
const answer = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

const run = await preparations[work.work](work, {
  latent: Float64Array.from(await readNumbers(work.inputs.latent)),
  cotangent: Float64Array.from(await readNumbers(work.inputs.cotangent)),
});
answer({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { out } = JSON.parse(line) as RunRequest;
  const [started, processor] = [performance.now(), process.cpuUsage()];
  const results = await run();
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(processor);
  const paths: Record<string, string> = {};
  for (const [name, values] of Object.entries(results)) {
    paths[name] = `${out}-${name}.f32`;
    await writeNumbers(paths[name], values);
  }
  answer({ seconds, processorSeconds: (user + system) / 1e6, results: paths } satisfies RunAnswer);
}
