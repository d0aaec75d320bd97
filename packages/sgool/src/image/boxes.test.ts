import { describe, expect, it } from 'vitest';
import { boxText, parseBoxes } from './boxes.ts';

const first = { left: 1, top: 2, width: 30, height: 40 };
const second = { left: 0, top: 0, width: 5, height: 6 };

describe('parseBoxes', () => {
  it.each([
    ['', []],
    ['  ', []],
    ['1,2,30,40', [first]],
    [' 1, 2 ,30,40,0,0,5,6 ', [first, second]],
  ])('reads %j', (text, boxes) => {
    expect(parseBoxes(text)).toEqual(boxes);
  });

  it.each(['1,2,3', '1,2,3,4,5', '1,2,0,4', '1,2,3,0', '-1,2,3,4', '1.5,2,3,4', '1,2,3,x', '1 2 3 4', ',,,'])(
    'refuses %j',
    (text) => {
      expect(parseBoxes(text)).toBeUndefined();
    },
  );

  it('reads what boxText writes', () => {
    expect(parseBoxes([first, second].map(boxText).join(','))).toEqual([first, second]);
  });
});
