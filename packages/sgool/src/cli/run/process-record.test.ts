import { hostname, uptime } from 'node:os';
import { describe, expect, it } from 'vitest';
import { markText, ownMark } from '../../platform/process-mark.ts';
import { isProcessRecord, type ProcessRecord, stillRuns, thisProcess } from './process-record.ts';

const DEAD_PID = 2 ** 22 + 1;
const own = thisProcess();
const onMachine = (machine: string) => markText({ ...ownMark, machine });
const beforeStart = new Date(Date.now() - 1000 * (uptime() + 3600)).toISOString();

describe('stillRuns', () => {
  it.each<[string, Partial<ProcessRecord>, boolean | undefined]>([
    ['this process', {}, true],
    ['one that has ended', { mark: markText({ ...ownMark, pid: DEAD_PID }) }, false],
    [
      'one that has ended, with the name of another computer',
      { host: 'x', mark: markText({ ...ownMark, pid: DEAD_PID }) },
      false,
    ],
    ['one of another computer', { host: 'elsewhere', mark: onMachine('00000000') }, undefined],
    ['one of another container of this computer', { mark: onMachine('00000000') }, undefined],
    [
      'one from before this computer was started',
      { mark: onMachine('00000000'), started: beforeStart },
      false,
    ],
    [
      'one of another computer, older than this one',
      { host: 'elsewhere', mark: onMachine('00000000'), started: beforeStart },
      undefined,
    ],
    ['one with no mark', { mark: '' }, undefined],
  ])('%s', (_, changes, expected) => {
    expect(own.host).toBe(hostname());
    expect(stillRuns({ ...own, ...changes })).toBe(expected);
  });

  it.skipIf(ownMark.start === 0)('a later process with the same number', () => {
    expect(stillRuns({ ...own, mark: markText({ ...ownMark, start: ownMark.start - 1 }) })).toBe(false);
  });
});

it.each<[unknown, boolean]>([
  [own, true],
  [{ ...own, pid: 1.5 }, false],
  [{ ...own, mark: undefined }, false],
  [{ pid: 1, host: 'x' }, false],
  [null, false],
  ['1', false],
])('%j is a record: %s', (value, expected) => {
  expect(isProcessRecord(value)).toBe(expected);
});
