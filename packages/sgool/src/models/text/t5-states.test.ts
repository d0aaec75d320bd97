import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { trace } from '@sgool/autodiff';
import { afterAll, describe, expect, it } from 'vitest';
import { networkWeights } from '../../networks/network-weights.ts';
import { openFixture, relativeError } from '../../networks/testing.ts';
import { t5Config } from '../../networks/text/t5-config.ts';
import { t5Encoder } from '../../networks/text/t5-encoder.ts';
import { DryRunPrograms } from '../../runtime/dry-run.ts';
import { ProgramCache } from '../../runtime/program-cache.ts';
import type { StoredTensor } from '../../weights/formats/weight-source.ts';
import { messageOf } from '../../weights/testing.ts';
import { t5States } from './t5-states.ts';
import { fixtureComponent } from './testing.ts';

/** A cache that notes which programs are asked for and released, in order. */
class NotedPrograms extends ProgramCache {
  readonly log: string[] = [];
  override get(...args: Parameters<ProgramCache['get']>): ReturnType<ProgramCache['get']> {
    this.log.push(`get ${args[0]} ${args[2]}`);
    return super.get(...args);
  }
  override release(key: string): Promise<void> {
    this.log.push(`release ${key}`);
    return super.release(key);
  }
}

const caches = (['fast', 'lean'] as const).map((layout) => ({
  layout,
  programs: new NotedPrograms({ threads: 1, layout }),
}));
afterAll(() => Promise.all(caches.map(({ programs }) => programs.dispose())));

/** The ids of the fixture, by row. */
async function rows() {
  const fixture = await openFixture('t5');
  const [ids, states] = [await fixture.array('ids'), await fixture.array('statesOfIds')];
  return [0, 1].map((row) => ({
    ids: ids.slice(row * 11, (row + 1) * 11) as Int32Array,
    expected: states.slice((row * states.length) / 2, ((row + 1) * states.length) / 2),
  }));
}

describe.each(caches)('a T5 read layer by layer, $layout', ({ programs }) => {
  it('gives the states of transformers, of several texts at once', async () => {
    const texts = await rows();
    const component = await fixtureComponent('t5');
    const all = await t5States(
      component,
      programs,
      texts.map(({ ids }) => ids),
    );
    for (const [i, { expected }] of texts.entries()) {
      expect(relativeError(all[i], expected)).toBeLessThan(1e-5);
    }
  });

  it('gives what the whole encoder gives as one program', async () => {
    const [{ ids }] = await rows();
    const component = await fixtureComponent('t5');
    const encoder = t5Encoder(t5Config(component.config), networkWeights(component.weights));
    const whole = await programs.get('whole', () =>
      trace({ ids: { shape: [1, 11], dtype: 'int32' } }, (inputs) => ({
        states: encoder.encode(encoder.embed(inputs.ids)),
      })),
    );
    const [streamed] = await t5States(component, programs, [ids]);
    expect(relativeError(streamed, (await whole.run({ ids })).states as Float32Array)).toBeLessThan(1e-6);
  });

  it('releases each part before it asks for the next one, and computes in float32', async () => {
    const [{ ids }] = await rows();
    programs.log.length = 0;
    await t5States(await fixtureComponent('t5'), programs, [ids]);
    const parts = ['position bias', 'embeddings', 'layer 0', 'layer 1', 'layer 2'].map(
      (part) => `t5 ${part}, 11 tokens`,
    );
    expect(programs.log).toEqual(parts.flatMap((key) => [`get ${key} float32`, `release ${key}`]));
  });
});

it('a dry run counts each part once, and the work of all texts', async () => {
  const [first, second] = await rows();
  const component = await fixtureComponent('t5');
  const dry = new DryRunPrograms({ layout: 'lean' });
  const states = await t5States(component, dry, [first.ids, second.ids]);
  expect(states.map(({ length }) => length)).toEqual([11 * 20, 11 * 20]);
  const { compiled, run } = dry.counts;
  expect([...compiled.values()]).toEqual([1, 1, 1, 1, 1]);
  expect([...run]).toContainEqual(['t5 layer 2, 11 tokens', 2]);
});

describe('what does not fit', () => {
  const [{ programs }] = caches;

  it('is an id without an embedding', async () => {
    const message = await messageOf(t5States(await fixtureComponent('t5'), programs, [Int32Array.of(30, 1)]));
    expect(message).toContain('networks-t5: the tokenizer gives a token the id 30');
  });

  it('is a damaged weight, behind ReLU as well', async () => {
    const { weights } = await fixtureComponent('t5-relu');
    const name = 'encoder.block.0.layer.1.DenseReluDense.wi.weight';
    const { path: stored, byteOffset } = weights.get(name) as StoredTensor;
    const bytes = await readFile(stored);
    bytes.writeUInt16LE(0x7e00, byteOffset);
    const folder = await mkdtemp(path.join(os.tmpdir(), 'sgool-t5-'));
    try {
      const place = path.join(folder, 'model.safetensors');
      await writeFile(place, bytes);
      const damaged = await fixtureComponent('t5-relu', {}, place);
      const message = await messageOf(t5States(damaged, programs, [Int32Array.of(5, 1)]));
      // Before anything runs: what leaves the network may be finite.
      expect(message).toBe(`${damaged.weights.path}: weight ${name} holds NaN; every number must be finite`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is not the absence of texts', async () => {
    expect(await t5States(await fixtureComponent('t5'), programs, [])).toEqual([]);
  });
});
