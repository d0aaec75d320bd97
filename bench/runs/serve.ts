/** @file Our side: one workload in a process that stays alive. `bench-process.ts` starts it and sends requests. */
import { createInterface } from 'node:readline';
import { readFloat32, writeFloat32 } from './float32-file.ts';
import type { RunAnswer, RunRequest, Workload } from './workload.ts';
import { preparations } from './workloads.ts';

const workload = JSON.parse(process.argv[2]) as Workload;
const answer = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

const run = await preparations[workload.workload](workload, {
  latent: Float64Array.from(await readFloat32(workload.inputs.latent)),
  cotangent: Float64Array.from(await readFloat32(workload.inputs.cotangent)),
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
    await writeFloat32(paths[name], values);
  }
  answer({ seconds, processorSeconds: (user + system) / 1e6, results: paths } satisfies RunAnswer);
}
