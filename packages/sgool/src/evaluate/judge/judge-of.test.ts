import { describe, expect, it } from 'vitest';
import { judgeFile } from '../../networks/judge/open-judge.ts';
import { fileSha256 } from '../../platform/file-sha256.ts';
import { judgeOfSuites, judgeOfWeights } from './judge-of.ts';

const truth = {
  prompts: [{ id: '1', text: 'a red cat', readings: [[{ claim: 'absent', kind: 'cat' }]] }],
} as const;
const plain = { prompts: [{ id: '1', text: 'a red cat' }] };

describe('the judge of an evaluation', () => {
  it('is the one that its suites with clauses name', () => {
    expect(judgeOfSuites([{ name: 'a', ...truth }])).toBe('judge');
    expect(judgeOfSuites([{ name: 'a', judge: 'judge-counts', ...truth }])).toBe('judge-counts');
    expect(
      judgeOfSuites([
        { name: 'b', ...plain },
        { name: 'a', judge: 'judge-counts', ...truth },
      ]),
    ).toBe('judge-counts');
    expect(judgeOfSuites([{ name: 'b', ...plain }])).toBeUndefined();
    expect(judgeOfSuites([])).toBeUndefined();
  });

  it('is one for all of them', () => {
    const suites = [
      { name: 'toybox', ...truth },
      { name: 'mine', judge: 'judge-counts', ...truth },
    ] as const;
    expect(() => judgeOfSuites(suites)).toThrow(
      '--suite: toybox is judged by judge, mine by judge-counts; evaluate them in two runs',
    );
  });

  it('is found again by its weights', async () => {
    expect(await judgeOfWeights(await fileSha256(judgeFile('judge-counts')))).toBe('judge-counts');
    expect(await judgeOfWeights(await fileSha256(judgeFile()))).toBe('judge');
    expect(await judgeOfWeights('other')).toBe('judge');
    expect(await judgeOfWeights(undefined)).toBeUndefined();
  });
});
