import { expect, it } from 'vitest';
import { windowsNote } from './clips.ts';

it('says where windows of frames are at least as long as the clip', () => {
  const windows = { frames: 8, stride: 4 };
  expect(windowsNote({ windows }, 8)).toBe(
    'contextFrames 8 changes nothing in a clip of 8 frames, which is seen as a whole',
  );
  expect(windowsNote({ windows }, 9)).toBeUndefined();
  expect(windowsNote({ windows }, 1)).toBeUndefined();
  expect(windowsNote({}, 8)).toBeUndefined();
  expect(windowsNote(undefined, 8)).toBeUndefined();
});
