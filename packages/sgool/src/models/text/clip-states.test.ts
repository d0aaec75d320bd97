import { afterAll, describe, expect, it } from 'vitest';
import { openFixture, relativeError } from '../../networks/testing.ts';
import { ProgramCache } from '../../runtime/program-cache.ts';
import { messageOf } from '../../weights/testing.ts';
import { clipStates } from './clip-states.ts';
import { fixtureComponent } from './testing.ts';

const programs = new ProgramCache({ threads: 1 });
afterAll(() => programs.dispose());

describe.each(['clip-states-quick-gelu', 'clip-states-gelu', 'clip-states-plain'])('%s', (name) => {
  it('gives the states and the pooled text of transformers', async () => {
    const fixture = await openFixture(name);
    const component = await fixtureComponent(name);
    const [rows, tokens] = fixture.shape('ids') as [number, number];
    const of = async (key: string, row: number) => {
      const all = await fixture.array(key);
      return all.slice((row * all.length) / rows, ((row + 1) * all.length) / rows);
    };
    for (let row = 0; row < rows; row++) {
      const ids = (await of('ids', row)) as Int32Array;
      expect(ids).toHaveLength(tokens);
      const { states, pooled, pooledUnprojected } = await clipStates(component, programs, ids);
      expect(relativeError(states, await of('states', row))).toBeLessThan(1e-5);
      expect(relativeError(pooledUnprojected, await of('unprojected', row))).toBeLessThan(1e-5);
      if (fixture.names.has('pooled')) {
        expect(pooled).not.toHaveLength(pooledUnprojected.length);
        expect(relativeError(pooled, await of('pooled', row))).toBeLessThan(1e-5);
      } else expect(pooled).toEqual(pooledUnprojected);
      const skipped = await clipStates(component, programs, ids, { clipSkip: 2 });
      expect(relativeError(skipped.states, await of('skipped', row))).toBeLessThan(1e-5);
      expect(skipped.pooled).toEqual(pooled);
    }
  });
});

describe('what does not fit', () => {
  const ids = Int32Array.of(38, 7, 39, 37, 0);
  const component = () => fixtureComponent('clip-states-plain');

  it('is refused in one line: skips, ids, texts without an end', async () => {
    const given = await component();
    expect(await messageOf(clipStates(given, programs, ids, { clipSkip: 3 }))).toBe(
      'request: clipSkip must be at most 2 for the text encoder networks-clip-states-plain, got 3',
    );
    expect(await messageOf(clipStates(given, programs, Int32Array.of(38, 40, 37)))).toContain(
      'gives a token the id 40',
    );
    expect(await messageOf(clipStates(given, programs, Int32Array.of(38, 7, 39)))).toBe(
      "networks-clip-states-plain/config.json: eos_token_id 37 is not in the text's ids; it must be the id with which the tokenizer ends a text",
    );
  });

  it('is seen in the file: a projection of another size', async () => {
    const given = await fixtureComponent('clip-states-gelu', { projection_dim: 19 });
    expect(await messageOf(clipStates(given, programs, ids))).toMatch(
      /text_projection\.weight has shape \[20,24\], its configuration needs \[19,24\]/,
    );
  });
});
