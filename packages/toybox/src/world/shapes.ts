/**
 * @file The drawings: each kind as a stack of outlines, in units of their own (y points down) and then scaled so
 * that its longer side spans -1..1.
 */

import type { Kind } from 'sgool/evaluate';
import { box, ellipse, grow, type Outline, path, stroke } from './path.ts';

/**
 * What a part is painted with: `main` the thing's own colour (patterned if the thing is), `shade` and `tint` a darker and
 * a lighter tone of it, the rest fixed.
 */
export type Ink =
  | 'main'
  | 'shade'
  | 'tint'
  | 'dark'
  | 'brown'
  | 'stem'
  | 'cream'
  | 'glass'
  | 'amber'
  | 'hollow';

export interface Part {
  ink: Ink;
  outline: Outline;
  /** Silhouette parts get a dark rim around them; details do not. */
  rim: boolean;
}

export interface Shape {
  /** Painted first to last. */
  parts: readonly Part[];
  /** Parts that replace `parts` when something is inside; absent for things that hold nothing. */
  hollowParts?: readonly Part[];
  /** Half width and half height, rim included; the larger is 1. */
  halfWidth: number;
  halfHeight: number;
  /** Centre of its fixations (the face, where there is one), in the same units. */
  focus: readonly [number, number];
  /** Where a thing inside is centred, and its longer side as a share of this thing's. */
  pocket?: { x: number; y: number; side: number };
}

/** Width of the rim in shape units: a side of 54 pixels has a rim of about 1.5. */
export const RIM = 0.055;

const body = (ink: Ink, outline: Outline): Part => ({ ink, outline, rim: true });
const detail = (ink: Ink, outline: Outline): Part => ({ ink, outline, rim: false });

/** Two eyes and a smile, around a centre. */
function face(x: number, y: number, s: number): Part[] {
  return [
    detail('dark', ellipse(x - 0.3 * s, y - 0.1 * s, 0.13 * s, 0.18 * s)),
    detail('dark', ellipse(x + 0.3 * s, y - 0.1 * s, 0.13 * s, 0.18 * s)),
    detail(
      'dark',
      path(
        `M${x - 0.26 * s},${y + 0.2 * s} Q${x},${y + 0.62 * s},${x + 0.26 * s},${y + 0.2 * s} Q${x},${y + 0.36 * s},${x - 0.26 * s},${y + 0.2 * s}`,
      ),
    ),
  ];
}

function cat(): Drawing {
  return {
    parts: [
      body('main', stroke(path('M0.35,0.8 C0.75,1.0,1.1,0.8,0.95,0.25'), 0.24)),
      body('main', path('M-0.5,0.95 C-0.62,0.3,-0.3,0.0,0,0.0 C0.3,0.0,0.62,0.3,0.5,0.95 Q0,1.08,-0.5,0.95')),
      body('main', path('M-0.68,-0.4 L-0.66,-1.08 L-0.16,-0.76')),
      body('main', path('M0.68,-0.4 L0.66,-1.08 L0.16,-0.76')),
      body('main', ellipse(0, -0.32, 0.74, 0.55)),
      detail('shade', path('M-0.55,-0.62 L-0.56,-0.9 L-0.34,-0.76')),
      detail('shade', path('M0.55,-0.62 L0.56,-0.9 L0.34,-0.76')),
      detail('dark', ellipse(-0.3, -0.38, 0.11, 0.15)),
      detail('dark', ellipse(0.3, -0.38, 0.11, 0.15)),
      detail('dark', path('M-0.1,-0.2 L0.1,-0.2 L0,-0.09')),
      detail('dark', stroke([-0.24, -0.05, -0.12, 0.02, 0, -0.08, 0.12, 0.02, 0.24, -0.05], 0.06)),
      detail('dark', stroke([0, 0.62, 0, 0.98], 0.06)),
    ],
    focus: [0, -0.3],
  };
}

function bird(): Drawing {
  return {
    parts: [
      detail('dark', stroke([-0.12, 0.5, -0.12, 1.0], 0.09)),
      detail('dark', stroke([0.16, 0.5, 0.16, 1.0], 0.09)),
      body('amber', path('M-0.74,-0.5 L-1.12,-0.3 L-0.7,-0.2')),
      body('main', path('M0.3,0.15 L1.1,-0.32 L1.05,0.2 L0.5,0.55')),
      body(
        'main',
        path(
          'M-0.78,-0.4 C-0.78,-1.0,-0.02,-1.0,0.0,-0.45 C0.3,-0.4,0.75,-0.15,0.72,0.2 C0.7,0.62,0.35,0.75,0,0.75 C-0.55,0.75,-0.78,0.3,-0.78,-0.4',
        ),
      ),
      detail('shade', path('M-0.18,0.0 C0.1,-0.15,0.5,-0.05,0.66,0.2 C0.4,0.55,-0.1,0.5,-0.18,0.0')),
      detail('dark', ellipse(-0.45, -0.45, 0.1, 0.12)),
    ],
    focus: [-0.45, -0.4],
  };
}

function fish(): Drawing {
  return {
    parts: [
      body('main', path('M0.4,0.0 L1.1,-0.52 Q0.92,0.0,1.1,0.52')),
      body('main', path('M-0.35,-0.4 Q0.0,-0.9,0.45,-0.62 L0.3,-0.25')),
      body('main', path('M-1.0,0.0 C-0.75,-0.62,0.2,-0.72,0.66,0.0 C0.2,0.72,-0.75,0.62,-1.0,0.0')),
      detail('shade', path('M-0.02,0.08 L0.36,-0.08 L0.36,0.3')),
      detail('shade', stroke(path('M-0.26,-0.4 Q-0.06,0.0,-0.26,0.4'), 0.08)),
      detail('cream', ellipse(-0.56, -0.12, 0.17)),
      detail('dark', ellipse(-0.59, -0.12, 0.1)),
      detail('dark', stroke([-0.92, 0.14, -0.74, 0.2, -0.62, 0.14], 0.06)),
    ],
    focus: [-0.56, -0.05],
  };
}

function boat(): Drawing {
  return {
    parts: [
      body('brown', box(-0.06, -1.0, 0.08, 0.4)),
      body('main', path('M0.12,-0.92 Q0.75,-0.4,0.86,0.2 L0.12,0.2')),
      body('main', path('M-0.1,-0.72 Q-0.6,-0.3,-0.7,0.2 L-0.1,0.2')),
      body('main', path('M-1.0,0.36 L1.0,0.36 Q0.86,0.9,0.55,0.92 L-0.55,0.92 Q-0.86,0.9,-1.0,0.36')),
      detail('shade', path('M-0.86,0.64 L0.86,0.64 Q0.75,0.9,0.55,0.92 L-0.55,0.92 Q-0.75,0.9,-0.86,0.64')),
    ],
    focus: [0, 0.2],
  };
}

function car(): Drawing {
  return {
    parts: [
      body('main', path('M-0.62,0.02 Q-0.45,-0.56,-0.2,-0.58 L0.2,-0.58 Q0.46,-0.56,0.62,0.02')),
      body(
        'main',
        path(
          'M-1.0,0.12 Q-0.98,-0.06,-0.7,-0.08 L0.7,-0.08 Q0.98,-0.06,1.0,0.14 L1.0,0.36 Q1.0,0.44,0.9,0.44 L-0.9,0.44 Q-1.0,0.44,-1.0,0.36',
        ),
      ),
      detail('glass', path('M-0.44,-0.06 Q-0.34,-0.42,-0.2,-0.43 L-0.05,-0.43 L-0.05,-0.06')),
      detail('glass', path('M0.44,-0.06 Q0.34,-0.42,0.2,-0.43 L0.07,-0.43 L0.07,-0.06')),
      detail('cream', ellipse(0.87, 0.1, 0.09, 0.1)),
      body('dark', ellipse(-0.54, 0.44, 0.25)),
      body('dark', ellipse(0.54, 0.44, 0.25)),
      detail('glass', ellipse(-0.54, 0.44, 0.1)),
      detail('glass', ellipse(0.54, 0.44, 0.1)),
    ],
    focus: [0, 0],
  };
}

function house(): Drawing {
  const shell = [
    body('shade', box(0.4, -0.95, 0.64, -0.4)),
    body('main', box(-0.74, -0.2, 0.74, 0.95)),
    body('shade', path('M-1.0,-0.14 L0,-1.0 L1.0,-0.14')),
  ];
  return {
    parts: [
      ...shell,
      detail('brown', box(-0.5, 0.26, -0.06, 0.95, 0.06)),
      detail('amber', ellipse(-0.15, 0.62, 0.05)),
      detail('glass', box(0.14, 0.12, 0.58, 0.56)),
      detail('dark', box(0.33, 0.12, 0.39, 0.56)),
      detail('dark', box(0.14, 0.31, 0.58, 0.37)),
    ],
    hollowParts: [...shell, detail('hollow', box(-0.58, -0.06, 0.58, 0.95, 0.08))],
    pocket: { x: 0, y: 0.45, side: 0.42 },
    focus: [0, 0.3],
  };
}

function tree(): Drawing {
  return {
    parts: [
      body('brown', path('M-0.16,0.1 L0.16,0.1 L0.17,0.82 L0.32,1.0 L-0.32,1.0 L-0.17,0.82')),
      body('main', ellipse(-0.42, 0.0, 0.44, 0.4)),
      body('main', ellipse(0.42, 0.0, 0.44, 0.4)),
      body('main', ellipse(0, -0.14, 0.5, 0.48)),
      body('main', ellipse(-0.26, -0.42, 0.42, 0.4)),
      body('main', ellipse(0.26, -0.42, 0.42, 0.4)),
      body('main', ellipse(0, -0.62, 0.4, 0.38)),
      detail('shade', path('M-0.55,0.06 Q-0.35,0.26,-0.1,0.1 Q-0.35,0.42,-0.55,0.06')),
      detail('shade', path('M0.08,-0.1 Q0.3,0.12,0.52,-0.08 Q0.32,0.26,0.08,-0.1')),
    ],
    focus: [0, -0.25],
  };
}

function flower(): Drawing {
  const petals = [0, 60, 120, 180, 240, 300].map((turn) => {
    const angle = ((turn + 30) * Math.PI) / 180;
    return body('main', ellipse(0.4 * Math.cos(angle), -0.38 + 0.4 * Math.sin(angle), 0.32, 0.22, turn + 30));
  });
  return {
    parts: [
      body('stem', stroke(path('M0,0 Q0.06,0.6,0,1.05'), 0.12)),
      body('stem', path('M0.02,0.8 Q0.1,0.4,0.56,0.36 Q0.5,0.8,0.02,0.8')),
      body('stem', path('M0.02,0.95 Q-0.1,0.55,-0.52,0.55 Q-0.46,0.95,0.02,0.95')),
      ...petals,
      detail('brown', ellipse(0, -0.38, 0.23)),
    ],
    focus: [0, -0.38],
  };
}

function mushroom(): Drawing {
  return {
    parts: [
      body(
        'cream',
        path(
          'M-0.36,0.0 L0.36,0.0 Q0.34,0.5,0.44,0.82 Q0.3,1.0,0,1.0 Q-0.3,1.0,-0.44,0.82 Q-0.34,0.5,-0.36,0.0',
        ),
      ),
      body(
        'main',
        path(
          'M-1.0,0.08 C-0.98,-0.6,-0.5,-0.95,0,-0.95 C0.5,-0.95,0.98,-0.6,1.0,0.08 Q0.5,0.26,0,0.26 Q-0.5,0.26,-1.0,0.08',
        ),
      ),
      ...face(0, 0.58, 0.5),
    ],
    focus: [0, 0.3],
  };
}

function star(): Drawing {
  const points: number[] = [];
  for (let i = 0; i < 10; i++) {
    const angle = (Math.PI * i) / 5 - Math.PI / 2;
    const radius = i % 2 === 0 ? 1 : 0.5;
    points.push(radius * Math.cos(angle), radius * Math.sin(angle));
  }
  return { parts: [body('main', points), ...face(0, 0.04, 0.72)], focus: [0, 0] };
}

function heart(): Drawing {
  const outline = path(
    'M0,0.95 C-0.5,0.55,-1.0,0.15,-1.0,-0.32 C-1.0,-0.7,-0.74,-0.92,-0.48,-0.92 C-0.24,-0.92,-0.08,-0.78,0,-0.58 ' +
      'C0.08,-0.78,0.24,-0.92,0.48,-0.92 C0.74,-0.92,1.0,-0.7,1.0,-0.32 C1.0,0.15,0.5,0.55,0,0.95',
  );
  return {
    parts: [body('main', outline), detail('tint', ellipse(-0.52, -0.46, 0.22, 0.13, -40))],
    hollowParts: [body('main', outline), detail('hollow', grow(outline, -0.2))],
    pocket: { x: 0, y: -0.14, side: 0.42 },
    focus: [0, -0.1],
  };
}

function cup(): Drawing {
  return {
    parts: [
      body('shade', stroke(path('M0.55,-0.34 C1.15,-0.5,1.15,0.5,0.5,0.4'), 0.19)),
      body(
        'main',
        path('M-0.76,-0.66 L0.62,-0.66 L0.54,0.6 Q0.5,0.8,0.3,0.8 L-0.44,0.8 Q-0.64,0.8,-0.68,0.6'),
      ),
      body('main', ellipse(-0.07, -0.66, 0.69, 0.2)),
      detail('brown', ellipse(-0.07, -0.66, 0.57, 0.13)),
    ],
    focus: [-0.05, -0.2],
  };
}

function balloon(): Drawing {
  const outline = path(
    'M0,0.5 C-0.4,0.36,-0.66,0.0,-0.66,-0.36 C-0.66,-0.76,-0.36,-1.0,0,-1.0 C0.36,-1.0,0.66,-0.76,0.66,-0.36 C0.66,0.0,0.4,0.36,0,0.5',
  );
  const tail = [
    detail('dark', stroke(path('M0,0.55 Q0.16,0.72,0,0.86 Q-0.12,0.98,0.04,1.1'), 0.06)),
    body('main', path('M0,0.42 L0.16,0.64 L-0.16,0.64')),
  ];
  return {
    parts: [...tail, body('main', outline), detail('tint', ellipse(-0.32, -0.58, 0.1, 0.2, 30))],
    hollowParts: [...tail, body('main', outline), detail('hollow', grow(outline, -0.14))],
    pocket: { x: 0, y: -0.28, side: 0.38 },
    focus: [0, -0.3],
  };
}

function umbrella(): Drawing {
  return {
    parts: [
      body('brown', stroke(path('M0,-0.95 L0,0.7 C0,1.05,0.38,1.05,0.38,0.7'), 0.11)),
      body(
        'main',
        path(
          'M-1.0,0.16 C-0.95,-0.5,-0.5,-0.82,0,-0.82 C0.5,-0.82,0.95,-0.5,1.0,0.16 Q0.84,0.0,0.67,0.14 Q0.5,-0.02,0.33,0.12 Q0.16,-0.04,0,0.12 Q-0.16,-0.04,-0.33,0.12 Q-0.5,-0.02,-0.67,0.14 Q-0.84,0.0,-1.0,0.16',
        ),
      ),
      detail('shade', path('M0,-0.82 Q-0.36,-0.4,-0.33,0.12 Q-0.5,-0.02,-0.67,0.14 Q-0.62,-0.5,0,-0.82')),
      detail('shade', path('M0,-0.82 Q0.36,-0.4,0.33,0.12 Q0.5,-0.02,0.67,0.14 Q0.62,-0.5,0,-0.82')),
    ],
    focus: [0, -0.3],
  };
}

type Drawing = Omit<Shape, 'halfWidth' | 'halfHeight'>;

/** Centres a drawing and scales it so that its longer side, rim included, spans -1..1. */
function fit({ parts, hollowParts, pocket, focus }: Drawing): Shape {
  const xs: number[] = [];
  const ys: number[] = [];
  for (const part of parts) {
    for (let i = 0; i < part.outline.length; i += 2) {
      xs.push(part.outline[i]);
      ys.push(part.outline[i + 1]);
    }
  }
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = (2 - 2 * RIM) / Math.max(x1 - x0, y1 - y0);
  const cx = (x0 + x1) / 2;
  const cy = (y0 + y1) / 2;
  const place = (part: Part): Part => ({
    ...part,
    outline: part.outline.map((v, i) => (v - (i % 2 === 0 ? cx : cy)) * scale),
  });
  return {
    parts: parts.map(place),
    ...(hollowParts && { hollowParts: hollowParts.map(place) }),
    ...(pocket && { pocket: { x: (pocket.x - cx) * scale, y: (pocket.y - cy) * scale, side: pocket.side } }),
    focus: [(focus[0] - cx) * scale, (focus[1] - cy) * scale],
    halfWidth: ((x1 - x0) * scale) / 2 + RIM,
    halfHeight: ((y1 - y0) * scale) / 2 + RIM,
  };
}

/** The drawing of each kind. */
export const SHAPES: Readonly<Record<Kind, Shape>> = {
  cat: fit(cat()),
  bird: fit(bird()),
  fish: fit(fish()),
  boat: fit(boat()),
  car: fit(car()),
  house: fit(house()),
  tree: fit(tree()),
  flower: fit(flower()),
  mushroom: fit(mushroom()),
  star: fit(star()),
  heart: fit(heart()),
  cup: fit(cup()),
  balloon: fit(balloon()),
  umbrella: fit(umbrella()),
};
