/**
 * @file Peak memory and time of a T5-XXL that is read a layer at a time. Random weights of its shape in bfloat16 (9.5 GB) are written
 * once. For Linux, which says what memory is anonymous and what is that of mapped files.
 *
 *     npm run measure:t5 -w sgool -- <folder> [tokens [layers]]
 */
import { existsSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { full, type Shape, sizeOf, trace } from '@sgool/autodiff';
import { t5States } from '../src/models/text/t5-states.ts';
import { t5Config } from '../src/networks/text/t5-config.ts';
import { t5Encoder } from '../src/networks/text/t5-encoder.ts';
import { Generator } from '../src/random/generator.ts';
import { ProgramCache } from '../src/runtime/program-cache.ts';
import { openSafetensors } from '../src/weights/formats/safetensors.ts';
import { weightSource } from '../src/weights/formats/weight-source.ts';

const [folder, tokens = '77', layers = '24'] = process.argv.slice(2);
if (folder === undefined) throw new Error('give a folder outside of the repository for the weights');

const XXL = {
  d_model: 4096,
  d_kv: 64,
  d_ff: 10_240,
  num_heads: 64,
  num_layers: Number(layers),
  feed_forward_proj: 'gated-gelu',
};

/** Names and shapes of the weights. */
function shapes(): Map<string, Shape> {
  const asked = new Map<string, Shape>();
  const get = (name: string, shape: Shape) => {
    asked.set(name, shape);
    return full(shape, 0);
  };
  trace({ ids: { shape: [1, 2], dtype: 'int32' } }, ({ ids }) => {
    const encoder = t5Encoder(t5Config(XXL), { has: () => false, get });
    return { states: encoder.encode(encoder.embed(ids)) };
  });
  return asked;
}

/** Numbers of a normal distribution that are used again and again, as bfloat16. */
function numbers(deviation: number, drawn: Float32Array): Uint16Array {
  const halves = new Uint16Array(drawn.map((value) => value * deviation).buffer);
  return halves.filter((_, i) => i % 2 === 1);
}

async function writeWeights(path: string): Promise<void> {
  const all = [...shapes()];
  let end = 0;
  const entries = all.map(([name, shape]) => {
    const start = end;
    end += 2 * sizeOf(shape);
    return [name, { dtype: 'BF16', shape, data_offsets: [start, end] }] as const;
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const drawn = Float32Array.from(new Generator(1).randn([2 ** 20 + 7]));
  const file = await open(`${path}.part`, 'w');
  await file.write(Buffer.concat([length, header]));
  for (const [, shape] of all) {
    // Norms are 1; of matrices the deviation keeps the size of what they are multiplied with.
    const values =
      shape.length === 1 ? numbers(1, new Float32Array(shape[0]).fill(1)) : numbers(shape[1] ** -0.5, drawn);
    for (let left = sizeOf(shape); left > 0; left -= values.length) {
      await file.write(values.subarray(0, Math.min(left, values.length)));
    }
  }
  await file.close();
  await rename(`${path}.part`, path);
}

/** Notes the most MiB that the system says of a process, from a thread of its own, because networks block the main one. */
const SAMPLER = `
  const { workerData } = require('node:worker_threads');
  const { readFileSync } = require('node:fs');
  const peak = new Int32Array(workerData);
  for (;;) {
    const text = readFileSync('/proc/self/status', 'utf8');
    ['RssAnon', 'RssFile', 'VmRSS'].forEach((key, i) => {
      peak[i] = Math.max(peak[i], Number(new RegExp(key + ':\\\\s+(\\\\d+)').exec(text)[1]) / 1024);
    });
    Atomics.wait(peak, 3, 0, 20);
  }`;

await mkdir(folder, { recursive: true });
const path = join(folder, `t5-${layers}.safetensors`);
if (!existsSync(path)) await writeWeights(path);

const peak = new SharedArrayBuffer(16);
const sampler = new Worker(SAMPLER, { eval: true, workerData: peak });
const programs = new ProgramCache({ layout: 'lean' });
const weights = weightSource(await openSafetensors(path));
const component = { name: 'text_encoder_3', dir: folder, config: XXL, weights };
const ids = Int32Array.from({ length: Number(tokens) }, (_, i) => (i * 37) % 32_000);
const [cpu, started] = [process.cpuUsage(), performance.now()];
await t5States(component, programs, [ids]);
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpu);
await sampler.terminate();
await programs.dispose();

const [anonymous, mapped, resident] = new Int32Array(peak);
const terms = [
  `${ids.length} tokens, ${layers} layers: ${seconds.toFixed(1)} s`,
  `${((user + system) / 1e6).toFixed(1)} s of a processor`,
  `${(programs.flops / 1e12).toFixed(2)} TFLOP`,
  `peak of anonymous memory ${anonymous} MiB, of mapped files ${mapped} MiB, of both ${resident} MiB`,
];
process.stdout.write(`${terms.join('; ')}\n`);
