/**
 * @file Prompts that change on the way, as AUTOMATIC1111's web UI writes them: `[a:b:0.5]` is a in the first half of the steps and b
 * in the second, `[a:10]` begins after step 10, `[a::10]` ends there, `[a|b]` takes turns with each step.
 *
 * Reference: AUTOMATIC1111/stable-diffusion-webui, wiki, "Features: Prompt editing" and "Alternating Words"
 */

/** A part of a prompt whose text may depend on the step. */
type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'scheduled'; readonly before: Node[]; readonly after: Node[]; readonly when: number }
  | { readonly kind: 'alternate'; readonly choices: Node[][] };

/** The text of a prompt up to and including a step, counted as the web UI does. */
export interface ScheduledText {
  readonly until: number;
  readonly text: string;
}

const NUMBER = /^\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*$/;
const PLAIN = /(?:[^\\[\]():|]|\\[^\n])+/y;
/** Deeper brackets are text. */
const MAX_DEPTH = 100;

/** Reads bracketed parts; each method gives undefined where the text is something else. */
class Reader {
  private readonly text: string;
  private readonly steps: number;
  private at = 0;

  constructor(text: string, steps: number) {
    this.text = text;
    this.steps = steps;
  }

  /** Everything; brackets that form nothing are text. */
  all(): Node[] {
    const nodes: Node[] = [];
    while (this.at < this.text.length) {
      const start = this.at;
      const found = this.item(0);
      if (found) {
        nodes.push(...found);
      } else {
        this.at = start + 1;
        nodes.push({ kind: 'text', text: this.text[start] });
      }
    }
    return nodes;
  }

  private item(depth: number): Node[] | undefined {
    if (this.text[this.at] === '[') return this.square(depth);
    if (this.text[this.at] === '(') return this.round(depth);
    PLAIN.lastIndex = this.at;
    const [text] = PLAIN.exec(this.text) ?? [];
    if (text === undefined) return undefined;
    this.at += text.length;
    return [{ kind: 'text', text }];
  }

  /** Items up to a character that none of them holds. */
  private inside(depth: number): Node[] | undefined {
    const nodes: Node[] = [];
    while (this.at < this.text.length && !':|])'.includes(this.text[this.at])) {
      const found = depth < MAX_DEPTH ? this.item(depth + 1) : undefined;
      if (!found) return undefined;
      nodes.push(...found);
    }
    return nodes;
  }

  private take(character: string): boolean {
    const isThere = this.text[this.at] === character;
    if (isThere) this.at++;
    return isThere;
  }

  private round(depth: number): Node[] | undefined {
    this.at++;
    const inner = this.inside(depth);
    if (!inner) return undefined;
    if (this.take(':')) {
      const weight = this.inside(depth);
      if (!weight) return undefined;
      inner.push({ kind: 'text', text: ':' }, ...weight);
    }
    if (!this.take(')')) return undefined;
    return [{ kind: 'text', text: '(' }, ...inner, { kind: 'text', text: ')' }];
  }

  private square(depth: number): Node[] | undefined {
    this.at++;
    const parts: Node[][] = [];
    let separator: string | undefined;
    for (;;) {
      const part = this.inside(depth);
      if (!part) return undefined;
      parts.push(part);
      if (this.take(']')) break;
      const next = this.text[this.at];
      if ((next !== ':' && next !== '|') || (separator !== undefined && separator !== next)) return undefined;
      separator = next;
      this.at++;
    }
    if (separator === '|') return [{ kind: 'alternate', choices: parts }];
    if (separator === ':') return this.scheduled(parts);
    return [{ kind: 'text', text: '[' }, ...parts[0], { kind: 'text', text: ']' }];
  }

  private scheduled(parts: Node[][]): Node[] | undefined {
    const last = parts.at(-1) ?? [];
    const [number] = last;
    const isPlain = last.length === 1 && number.kind === 'text';
    const [, digits] = (isPlain && NUMBER.exec(number.text)) || [];
    if (digits === undefined || parts.length > 3) return undefined;
    // A number with a point is a share of the steps.
    const step = digits.includes('.') ? Number(digits) * this.steps : Number(digits);
    const when = Math.min(this.steps, Math.trunc(step));
    const [before, after] = parts.length === 3 ? parts : [[], parts[0]];
    return [{ kind: 'scheduled', before, after, when }];
  }
}

function changesOf(nodes: readonly Node[], steps: number): number[] {
  return nodes.flatMap((node) => {
    if (node.kind === 'text') return [];
    if (node.kind === 'scheduled') {
      const inner = [...changesOf(node.before, steps), ...changesOf(node.after, steps)];
      return node.when >= 1 ? [node.when, ...inner] : inner;
    }
    return Array.from({ length: steps }, (_, i) => i + 1);
  });
}

function textAt(nodes: readonly Node[], step: number): string {
  return nodes
    .map((node) => {
      if (node.kind === 'text') return node.text;
      if (node.kind === 'scheduled') return textAt(step <= node.when ? node.before : node.after, step);
      return textAt(node.choices[(step - 1) % node.choices.length], step);
    })
    .join('');
}

/** The texts of a prompt over a number of steps, the last one until the end. */
export function scheduleOf(prompt: string, steps: number): ScheduledText[] {
  const nodes = new Reader(prompt, steps).all();
  const ends = [...new Set([steps, ...changesOf(nodes, steps)])].sort((a, b) => a - b);
  return ends.map((until) => ({ until, text: textAt(nodes, until) }));
}

function withAllChoices(nodes: readonly Node[]): string {
  return nodes
    .map((node) => {
      if (node.kind === 'text') return node.text;
      if (node.kind === 'scheduled') return withAllChoices(node.after.length > 0 ? node.after : node.before);
      return node.choices.map(withAllChoices).join(' ');
    })
    .join('');
}

/**
 * One text for a prompt that changes: what it ends with where one text replaces another, what appears on the way where something comes
 * or goes, and all choices where they take turns.
 */
export function unscheduledText(prompt: string): string {
  return withAllChoices(new Reader(prompt, 1).all());
}
