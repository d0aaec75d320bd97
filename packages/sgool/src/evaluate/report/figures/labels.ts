/** @file Placing labels beside points so that none covers another one. */

/** A rectangle in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface Label {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Whether two rectangles have a point in common. */
export function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

const RADIUS = 7;
const STEP = 4;
const DIRECTIONS = 16;

/**
 * A place for the label of each point: the nearest one around it that lies in the frame and covers no obstacle, no point and no
 * other label. Undefined where there is none.
 */
export function placeLabels(
  labels: readonly Label[],
  obstacles: readonly Box[],
  frame: Box,
): (Box | undefined)[] {
  const points = labels.map(({ x, y }) => ({
    left: x - RADIUS,
    right: x + RADIUS,
    top: y - RADIUS,
    bottom: y + RADIUS,
  }));
  const taken: Box[] = [...obstacles, ...points];
  return labels.map((label) => {
    const place = candidates(label).find(
      (box) =>
        box.left >= frame.left &&
        box.right <= frame.right &&
        box.top >= frame.top &&
        box.bottom <= frame.bottom &&
        !taken.some((other) => overlap(box, other)),
    );
    if (place !== undefined) taken.push(place);
    return place;
  });
}

/** Rectangles around a point, the nearest ones first, to the right before the other directions. */
function candidates({ x, y, width, height }: Label): Box[] {
  return Array.from({ length: 60 }, (_, ring) => RADIUS + 2 + STEP * ring).flatMap((distance) =>
    Array.from({ length: DIRECTIONS }, (_, i) => {
      // 0, 1, -1, 2, -2 ... sixteenths of a turn.
      const turn = ((i % 2 === 0 ? -1 : 1) * Math.ceil(i / 2) * 2 * Math.PI) / DIRECTIONS;
      const [dx, dy] = [Math.cos(turn), Math.sin(turn)];
      const middle = {
        x: x + dx * (distance + width / 2),
        y: y + dy * (distance + height / 2),
      };
      return {
        left: middle.x - width / 2,
        right: middle.x + width / 2,
        top: middle.y - height / 2,
        bottom: middle.y + height / 2,
      };
    }),
  );
}
