/** @file Lists the nodes that ONNX Runtime executed, in order. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Arrays, type CompileOptions, compile, type Graph } from '@sgool/autodiff';

/** Runs a graph once and lists the executed ONNX ops, after ONNX Runtime's own optimisation. */
export async function executedOps(
  graph: Graph,
  inputs: Arrays,
  options: CompileOptions = {},
): Promise<string[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'autodiff-profile-'));
  try {
    const program = await compile(graph, { threads: 1, ...options, profilePrefix: path.join(folder, 'run') });
    await program.run(inputs);
    program.endProfiling();
    await program.dispose();
    const [file] = await readdir(folder);
    const events = JSON.parse(await readFile(path.join(folder, file), 'utf8')) as {
      cat: string;
      name: string;
      ts: number;
      args: { op_name: string };
    }[];
    return events
      .filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'))
      .sort((a, b) => a.ts - b.ts)
      .map(({ args }) => args.op_name);
  } finally {
    await rm(folder, { recursive: true });
  }
}
