import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { TRAINING_FOLDER } from '../paths.ts';
import { STAGES } from '../stages/stages.ts';
import { curveSvg } from './curve.ts';

describe('the curves of a training', () => {
  it('have a panel for each figure with finite values', () => {
    const entry = (step: number, loss: number) => ({ step, seconds: 1, train: { loss }, held: { psnr: 20 } });
    const svg = curveSvg('tiny', [entry(10, 2), entry(20, 1), entry(30, Number.NaN)]);
    expect(svg).toContain('>psnr (held out): 20</text>');
    expect(svg).toContain('>loss (training): 1</text>');
    expect(svg.match(/<polyline/g)).toHaveLength(2);
    expect(svg).not.toContain('NaN');
  });

  const published = readdirSync(TRAINING_FOLDER).filter((name) => name.endsWith('.json'));
  it.each(published.map((name) => path.parse(name).name))(
    'that are committed for %s are drawn from its record',
    async (stage) => {
      expect(Object.keys(STAGES)).toContain(stage);
      const read = (ending: string) => readFile(path.join(TRAINING_FOLDER, `${stage}.${ending}`), 'utf8');
      expect(await read('svg')).toBe(curveSvg(stage, JSON.parse(await read('json')).history));
    },
  );
});
