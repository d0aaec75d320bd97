import { describe, expect, it } from 'vitest';
import { isDefaultObjective, parseObjective } from './objective-text.ts';

describe('parseObjective', () => {
  it('reads scorers, weights and places, in either order', () => {
    expect(parseObjective('clip,hps-v2.1:0.5, pickscore@whole:2e-1 ,image-reward:3@regions')).toEqual([
      { scorer: { kind: 'clip' }, name: 'clip_a', weight: 1 },
      { scorer: { kind: 'preference', name: 'hps-v2.1' }, name: 'hps-v2.1', weight: 0.5 },
      { scorer: { kind: 'preference', name: 'pickscore' }, name: 'pickscore', weight: 0.2, place: 'whole' },
      {
        scorer: { kind: 'preference', name: 'image-reward' },
        name: 'image-reward',
        weight: 3,
        place: 'regions',
      },
    ]);
  });

  it.each([
    ['clip=models/toybox/clip_b', { kind: 'clip', folder: 'models/toybox/clip_b' }, 'clip_b', 1],
    ['clip_c:2', { kind: 'clip', part: 'clip_c' }, 'clip_c', 2],
    ['hps-v2=a b.pt:0.5', { kind: 'preference', name: 'hps-v2', weights: 'a b.pt' }, 'hps-v2', 0.5],
    ['onnx:C:\\x\\mine.onnx:2', { kind: 'onnx', file: 'C:\\x\\mine.onnx' }, 'mine', 2],
    ['exec:./score.sh:3', { kind: 'exec', program: './score.sh' }, 'score.sh', 3],
    // The port is no weight.
    ['http://127.0.0.1:8080', { kind: 'http', url: 'http://127.0.0.1:8080' }, 'http://127.0.0.1:8080', 1],
    ['http://h:8080/:3', { kind: 'http', url: 'http://h:8080/' }, 'http://h:8080/', 3],
    ['http://h:8080:0.5', { kind: 'http', url: 'http://h:8080' }, 'http://h:8080', 0.5],
    ['http://h/score:0.5', { kind: 'http', url: 'http://h/score' }, 'http://h/score', 0.5],
  ])('reads %s', (text, scorer, name, weight) => {
    expect(parseObjective(text)).toEqual([{ scorer, name, weight }]);
  });

  it.each([
    ['', /each scorer must be one of clip, .*image-reward.*got nothing/],
    ['clip,', /got nothing/],
    ['clop', /got clop/],
    ['clip_b', /each scorer must be one of/],
    ['clip_c=x', /each scorer must be one of/],
    ['judge', /each scorer must be one of/],
    ['clip@middle', /@middle is no part of an image; choose @whole or @regions, got clip@middle/],
    ['http://a b', /the address of a server must be http:.*got http:\/\/a b/],
    ['http://me:secret@h/score', /must have no name and password/],
    ['clip:0', /weight must be above 0/],
    ['clip:-1', /weight must be above 0/],
    ['clip:1e9', /at most 1000000/],
    ['clip,clip:2', /clip_a is there twice/],
    ['clip@whole,clip', /clip_a is there twice/],
  ])('refuses %j', (text, says) => {
    expect(() => parseObjective(text)).toThrow(says);
  });

  it('lets one scorer see whole and regions by two weights', () => {
    expect(parseObjective('clip@whole,clip@regions:2').map(({ weight }) => weight)).toEqual([1, 2]);
  });
});

it('reads a CLIP whose loss is linear in its cosine, which is no default', () => {
  expect(parseObjective('clip-cosine:0.01,clip-cosine=some/folder')).toEqual([
    { scorer: { kind: 'clip', loss: 'cosine' }, name: 'clip_a', weight: 0.01 },
    { scorer: { kind: 'clip', loss: 'cosine', folder: 'some/folder' }, name: 'folder', weight: 1 },
  ]);
  expect(isDefaultObjective('clip-cosine')).toBe(false);
  expect(() => parseObjective('clip,clip-cosine')).toThrow(/clip_a is there twice/);
});

it('knows the default objective', () => {
  expect(
    ['clip', 'clip:2', 'clip_c', 'clip@whole', 'clip=x', 'clip,pickscore'].map(isDefaultObjective),
  ).toEqual([true, true, false, false, false, false]);
});
