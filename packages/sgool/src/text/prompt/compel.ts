/**
 * @file Weights in a prompt as compel writes them: `(red)1.3`, `red++`, `(a cat)--`, blends `("a", "b").blend(0.7, 0.3)`,
 * conjunctions `("a", "b").and()` and `withLora(name, 0.8)`. What does not match is text, as there.
 *
 * Reference: damian0815/compel 2.5, prompt_parser.py and Reference.md
 */
import { UserError } from '../../errors.ts';
import type { NetworkTag } from './networks.ts';
import { excerpt } from './weighted-text.ts';

/** Words under one weight; compel gives each to the tokenizer by itself. */
export interface CompelFragment {
  readonly text: string;
  readonly weight: number;
}

/** A text of a blend and its share; a clause that is no blend has one. */
export interface CompelText {
  readonly share: number;
  readonly fragments: readonly CompelFragment[];
}

/** Texts that become one stretch of conditioning. Those of several clauses follow each other. */
export interface CompelClause {
  /** How far the stretch is moved away from that of an empty prompt. */
  readonly weight: number;
  /** Whether the shares are divided by their sum. */
  readonly isNormalised: boolean;
  readonly texts: readonly CompelText[];
}

/** A prompt that was read. */
export interface CompelPrompt {
  readonly clauses: readonly CompelClause[];
  readonly networks: readonly NetworkTag[];
  /** What was left out, one line each. */
  readonly notes: readonly string[];
}

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'attention'; readonly weight: number; readonly children: readonly Node[] }
  | { readonly kind: 'swap'; readonly source: string }
  | { readonly kind: 'lora'; readonly tag: NetworkTag };

/** What was read, and where it ends. */
interface Match {
  readonly nodes: readonly Node[];
  readonly end: number;
}

/** Texts under an operator: `("a", "b").blend(1, 2)`. */
interface Combined {
  readonly texts: readonly (readonly Node[])[];
  /** The first word of each option. */
  readonly options: readonly string[];
  readonly end: number;
}

const STRONGER = 1.1;
const WEAKER = 0.9;
/** Brackets that are nested deeper are a mistake. */
const MAX_DEPTH = 100;

const SYNTAX = '()",.+\\-=';
/** A word without syntax: escapes, signs before other characters, anything else that is neither space nor syntax. */
const WORD = new RegExp(`(?:\\\\[${SYNTAX}]|[-+](?![ ${SYNTAX}\n\r]|$)|-?\\d+|[^ \n\r${SYNTAX}])+`, 'y');
const FREE_WORD = /[^ \n\r]+/y;
const SPACE = /[ \n\r]+/y;
const QUOTED = /"((?:\\"|[^"\n\r])*)"/y;
const NUMBER = /[+-]?(?:\d+\.\d*|\.\d+)|-?\d+/y;
const SIGNS = /\++|-+/y;
const KEYWORD = /[A-Za-z0-9_-]+/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '\\t': ' ',
  '\\n': '\n',
  '\\f': ' ',
  '\\r': '\r',
  '\\"': '"',
};

/** A fragment's text, its brackets and quotes no longer escaped. */
const unescaped = (text: string) => text.replace(/\\([()"])/g, '$1');

/** Reads a text from a place on; each method gives undefined where something else stands there. */
class Reader {
  private readonly text: string;
  private readonly memory = new Map<string, Match | undefined>();
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** A whole prompt: anything that is not syntax is a word. */
  prompt(): readonly Node[] {
    const nodes: Node[] = [];
    for (let at = 0; at < this.text.length; ) {
      const found = this.swap(at) ?? this.lora(at) ?? this.attention(at) ?? this.quoted(at) ?? this.round(at);
      const word = found ? undefined : this.pattern(FREE_WORD, at);
      if (word !== undefined) nodes.push({ kind: 'text', text: unescaped(word) });
      nodes.push(...(found?.nodes ?? []));
      at = found?.end ?? at + (word ?? this.pattern(SPACE, at) ?? ' ').length;
    }
    return nodes;
  }

  /** The content of quotes: undefined where it holds a character that means nothing there. */
  whole(): readonly Node[] | undefined {
    const { nodes, end } = this.items(0, true);
    return this.space(end) === this.text.length ? nodes : undefined;
  }

  /** `("a", "b").blend(0.7, 0.3)`, with the operators that are given. */
  combined(operators: readonly string[]): Combined | undefined {
    let at = this.literal('(', 0);
    const texts: (readonly Node[])[] = [];
    do {
      const found = at === undefined ? undefined : (this.target(at) ?? this.quotedPrompt(at));
      if (found === undefined) return undefined;
      texts.push(found.nodes);
      const comma: number | undefined = this.literal(',', found.end);
      if (comma === undefined) {
        at = this.literal(')', found.end);
        break;
      }
      at = comma;
    } while (at !== undefined);
    const close = at;
    if (close === undefined) return undefined;
    const operator = operators.map((each) => this.literal(each, close)).find((end) => end !== undefined);
    const open = operator === undefined ? undefined : this.literal('(', operator);
    if (open === undefined) return undefined;
    const { options, end: last } = this.options(open);
    const end = this.literal(')', last);
    return end === undefined ? undefined : { texts, options, end };
  }

  /** LoRAs in a row. */
  loras(at: number): Match {
    const nodes: Node[] = [];
    for (;;) {
      const found = this.lora(at);
      if (!found) return { nodes, end: at };
      nodes.push(...found.nodes);
      at = found.end;
    }
  }

  /** Where the next character that is no space stands. */
  space(at: number): number {
    return at + (this.pattern(SPACE, at)?.length ?? 0);
  }

  private pattern(pattern: RegExp, at: number): string | undefined {
    pattern.lastIndex = at;
    return pattern.exec(this.text)?.[0];
  }

  private literal(text: string, at: number): number | undefined {
    const start = this.space(at);
    return this.text.startsWith(text, start) ? start + text.length : undefined;
  }

  /** Each rule is tried at a place once, so that nested brackets take no more than their length. */
  private once(rule: string, at: number, read: (start: number) => Match | undefined): Match | undefined {
    const start = this.space(at);
    const key = `${rule} ${start}`;
    if (this.memory.has(key)) return this.memory.get(key);
    const found = read(start);
    this.memory.set(key, found);
    return found;
  }

  private items(at: number, hasPunctuation: boolean): Match {
    const nodes: Node[] = [];
    for (;;) {
      const found =
        this.lora(at) ??
        this.attention(at) ??
        this.swap(at) ??
        this.round(at) ??
        this.quoted(at) ??
        this.word(at) ??
        (hasPunctuation ? this.punctuation(at) : undefined);
      if (!found) return { nodes, end: at };
      nodes.push(...found.nodes);
      at = found.end;
    }
  }

  private target(at: number): Match | undefined {
    return this.quoted(at) ?? this.round(at) ?? this.word(at);
  }

  private word(at: number): Match | undefined {
    const start = this.space(at);
    const text = this.pattern(WORD, start);
    if (text === undefined) return undefined;
    return { nodes: [{ kind: 'text', text: unescaped(text) }], end: start + text.length };
  }

  private punctuation(at: number): Match | undefined {
    const start = this.space(at);
    const text = this.text[start];
    return text === ',' || text === '.' ? { nodes: [{ kind: 'text', text }], end: start + 1 } : undefined;
  }

  private round(at: number): Match | undefined {
    return this.once('round', at, (start) => {
      if (this.text[start] !== '(') return undefined;
      if (this.depth >= MAX_DEPTH) {
        throw new UserError(`prompt: its brackets are nested more than ${MAX_DEPTH} deep`);
      }
      this.depth++;
      const { nodes, end: last } = this.items(start + 1, true);
      this.depth--;
      const end = this.literal(')', last);
      return end === undefined ? undefined : { nodes, end };
    });
  }

  private quoted(at: number): Match | undefined {
    return this.once('quoted', at, (start) => this.inQuotes(start, (inner) => new Reader(inner).whole()));
  }

  private quotedPrompt(at: number): Match | undefined {
    return this.inQuotes(this.space(at), (inner) => new Reader(inner).prompt());
  }

  private inQuotes(start: number, read: (inner: string) => readonly Node[] | undefined): Match | undefined {
    const text = this.pattern(QUOTED, start);
    if (text === undefined) return undefined;
    const inner = text
      .slice(1, -1)
      .replace(/\\[tnfr"]/g, (escaped) => ESCAPES[escaped])
      .replaceAll('"', '\\"');
    const nodes: readonly Node[] | undefined =
      inner.trim() === '' ? [{ kind: 'text', text: '' }] : read(inner);
    return nodes === undefined ? undefined : { nodes, end: start + text.length };
  }

  private lora(at: number): Match | undefined {
    const start = this.space(at);
    const open = this.literal('useLora', start) ?? this.literal('withLora', start);
    const inside = open === undefined ? undefined : this.literal('(', open);
    if (inside === undefined) return undefined;
    const first = this.space(inside);
    const name = this.pattern(KEYWORD, first);
    if (name === undefined) return undefined;
    const comma = this.literal(',', first + name.length);
    const number = comma === undefined ? undefined : this.number(comma);
    const end = this.literal(')', number?.end ?? first + name.length);
    if (end === undefined) return undefined;
    const values = number === undefined ? [name] : [name, number.text];
    return {
      nodes: [{ kind: 'lora', tag: { text: this.text.slice(start, end), kind: 'lora', values } }],
      end,
    };
  }

  private number(at: number): { text: string; end: number } | undefined {
    const start = this.space(at);
    const text = this.pattern(NUMBER, start);
    return text === undefined ? undefined : { text, end: start + text.length };
  }

  private signs(at: number): { weight: number; end: number } | undefined {
    const start = this.space(at);
    const signs = this.pattern(SIGNS, start);
    if (signs === undefined) return undefined;
    return { weight: (signs[0] === '+' ? STRONGER : WEAKER) ** signs.length, end: start + signs.length };
  }

  private weight(at: number): { weight: number; end: number } | undefined {
    const number = this.signs(at) === undefined ? this.number(at) : undefined;
    return number === undefined ? this.signs(at) : { weight: Number(number.text), end: number.end };
  }

  private attention(at: number): Match | undefined {
    return this.once(
      'attention',
      at,
      (start) => this.explicitAttention(start) ?? this.impliedAttention(start),
    );
  }

  private explicitAttention(at: number): Match | undefined {
    const target = this.target(at);
    const operator = target && this.literal('.attend', target.end);
    const open = operator === undefined ? undefined : this.literal('(', operator);
    const found = open === undefined ? undefined : this.weight(open);
    const end = found && this.literal(')', found.end);
    if (!target || !found || end === undefined) return undefined;
    return { nodes: [{ kind: 'attention', weight: found.weight, children: target.nodes }], end };
  }

  private impliedAttention(at: number): Match | undefined {
    const group = this.quoted(at) ?? this.round(at);
    const target = group ?? this.word(at);
    if (!target || this.pattern(SPACE, target.end) !== undefined) return undefined;
    const found = group ? this.weight(target.end) : this.signs(target.end);
    if (!found) return undefined;
    return { nodes: [{ kind: 'attention', weight: found.weight, children: target.nodes }], end: found.end };
  }

  private swap(at: number): Match | undefined {
    const start = this.space(at);
    const target = this.target(at);
    const operator = target && this.literal('.swap', target.end);
    const open = operator === undefined ? undefined : this.literal('(', operator);
    if (open === undefined) return undefined;
    const { end: last } = this.items(open, false);
    const comma = this.literal(',', last);
    const end = this.literal(')', comma === undefined ? last : this.options(comma).end);
    return end === undefined
      ? undefined
      : { nodes: [{ kind: 'swap', source: this.text.slice(start, end) }], end };
  }

  private options(at: number): { options: string[]; end: number } {
    const options: string[] = [];
    let next: number | undefined = at;
    let end = at;
    while (next !== undefined) {
      const found = this.option(next);
      if (!found) break;
      options.push(found.text);
      end = found.end;
      next = this.literal(',', end);
    }
    return { options, end };
  }

  /** `name=value`, a number, or a name. */
  private option(at: number): { text: string; end: number } | undefined {
    const start = this.space(at);
    const name = this.pattern(KEYWORD, start);
    const equals = name === undefined ? undefined : this.literal('=', start + name.length);
    if (name !== undefined && equals !== undefined) {
      const first = this.space(equals);
      const value = this.number(first)?.end ?? first + (this.pattern(KEYWORD, first)?.length ?? 0);
      if (value > first) return { text: `${name}=`, end: value };
    }
    const number = this.number(start);
    if (number) return number;
    return name === undefined ? undefined : { text: name, end: start + name.length };
  }
}

/** Weights of nested nodes multiplied out; LoRAs go into the list beside. */
function flattened(nodes: readonly Node[], scale: number, networks: NetworkTag[]): CompelFragment[] {
  return nodes.flatMap((node) => {
    if (node.kind === 'text') return [{ text: unescaped(node.text), weight: scale }];
    if (node.kind === 'attention') return flattened(node.children, scale * node.weight, networks);
    if (node.kind === 'swap') {
      throw new UserError(
        `prompt: ${excerpt(node.source)}: .swap() needs cross-attention control, which is not supported; to change a word on the way, write [cat:dog:0.5] with --prompt-syntax a1111`,
      );
    }
    networks.push(node.tag);
    return [];
  });
}

/** Joins neighbours of the same weight. */
function fused(fragments: readonly CompelFragment[]): CompelFragment[] {
  const all: CompelFragment[] = [];
  // Without one, a long text is not searched again for each of its words.
  let hasEscape = false;
  for (const fragment of fragments) {
    const last = all.at(-1);
    if (last?.weight === fragment.weight) {
      const text = `${last.text} ${fragment.text}`;
      hasEscape ||= fragment.text.includes('\\');
      all[all.length - 1] = { text: hasEscape ? unescaped(text) : text, weight: last.weight };
    } else {
      hasEscape = fragment.text.includes('\\');
      all.push(fragment);
    }
  }
  return all;
}

function weightsOf(options: readonly string[], operator: string, count: number): number[] {
  if (options.length === 0) return new Array<number>(count).fill(1);
  const wrong = options.find((option) => !Number.isFinite(Number(option)));
  if (wrong !== undefined) {
    throw new UserError(
      `prompt: ${operator}() takes one number for each text, got ${wrong.replace(/=$/, ' with a value')}`,
    );
  }
  if (options.length !== count) {
    throw new UserError(`prompt: ${operator}() has ${options.length} weights for ${count} texts`);
  }
  return options.map(Number);
}

function blendOf({ texts, options }: Combined, networks: NetworkTag[]): CompelClause {
  const isNormalised = options.at(-1) !== 'no_normalize';
  const shares = weightsOf(isNormalised ? options : options.slice(0, -1), '.blend', texts.length);
  const flat = texts.map((nodes) => fused(flattened(nodes, 1, networks)));
  if (flat.some((fragments) => fragments.length === 0)) {
    throw new UserError('prompt: a text of .blend() is empty; a LoRA is written outside of it');
  }
  if (isNormalised && shares.reduce((sum, share) => sum + share, 0) === 0) {
    throw new UserError(
      `prompt: the weights of .blend(${shares.join(', ')}) add up to 0; write no_normalize behind them to take them as they are`,
    );
  }
  return { weight: 1, isNormalised, texts: flat.map((fragments, i) => ({ share: shares[i], fragments })) };
}

const oneText = (fragments: readonly CompelFragment[], weight: number): CompelClause => ({
  weight,
  isNormalised: true,
  texts: [{ share: 1, fragments }],
});

const EMPTY = oneText([{ text: '', weight: 1 }], 1);

/**
 * Parses a prompt.
 *
 * @throws UserError where an operator has wrong weights, something follows a blend, or `.swap()` is used
 */
export function parseCompel(prompt: string): CompelPrompt {
  // compel's own first step. Its parser takes tabs for spaces.
  const text = prompt.replace(/[\t\v\f]/g, ' ').replace(/,(\S)/g, ', $1');
  const networks: NetworkTag[] = [];
  const notes: string[] = [];
  const clauses: CompelClause[] = [];
  const reader = new Reader(text);
  const conjunction = reader.combined(['.and', '.add']);
  if (conjunction) {
    const weights = weightsOf(conjunction.options, '.and', conjunction.texts.length);
    for (const [i, nodes] of conjunction.texts.entries()) {
      const fragments = fused(flattened(nodes, 1, networks));
      if (fragments.length > 0) clauses.push(oneText(fragments, weights[i]));
    }
    const rest = text.slice(conjunction.end).trim();
    if (rest !== '')
      notes.push(`compel reads nothing behind .and(), left out of the prompt: ${excerpt(rest)}`);
  } else {
    const before = reader.loras(0);
    const inner = text.slice(before.end);
    const blend = new Reader(inner).combined(['.blend']);
    flattened(before.nodes, 1, networks);
    if (blend) {
      clauses.push(blendOf(blend, networks));
      const after = new Reader(inner.slice(blend.end)).loras(0);
      flattened(after.nodes, 1, networks);
      const rest = inner.slice(blend.end + after.end).trim();
      if (rest !== '') {
        throw new UserError(
          `prompt: in compel's syntax nothing but withLora() may follow .blend(), got ${excerpt(rest)}`,
        );
      }
    } else {
      const fragments = fused(flattened(new Reader(inner).prompt(), 1, networks));
      if (fragments.length > 0) clauses.push(oneText(fragments, 1));
    }
  }
  return { clauses: clauses.length === 0 ? [EMPTY] : clauses, networks, notes };
}
