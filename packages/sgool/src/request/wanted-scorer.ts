/** @file A scorer as users write it: `hps-v2.1`, `pickscore=file.pt`, `onnx:scorer.onnx`, `clip=folder`, `exec:./score.sh`, a URL. */
import { SCORER_NAMES, type ScorerName } from './scorer-names.ts';

/** The CLIPs of a model that a run may ask: `clip`, which guides, and `clip_c`, which selects. `clip_b` only reports. */
export type ClipPart = 'clip' | 'clip_c';

/** A scorer that is asked for. */
export type WantedScorer =
  /** A CLIP of the model, or the one in another folder. Its loss is the spherical distance, or linear in the cosine. */
  | {
      readonly kind: 'clip';
      readonly part?: ClipPart;
      readonly folder?: string;
      readonly loss?: 'cosine';
    }
  /** A preference model, perhaps with the file or folder of its weights. */
  | { readonly kind: 'preference'; readonly name: ScorerName; readonly weights?: string }
  /** An ONNX file with its description beside it. */
  | { readonly kind: 'onnx'; readonly file: string }
  /** A server that follows the contract of `docs/verifiers.md`. */
  | { readonly kind: 'http'; readonly url: string }
  /** A program that follows the contract of `docs/verifiers.md`. */
  | { readonly kind: 'exec'; readonly program: string };

/** What may be asked for, for messages. */
export const SCORER_FORMS = `clip, clip_c, clip=<folder>, clip-cosine, clip-cosine=<folder>, ${SCORER_NAMES.join(', ')}, onnx:<file>, exec:<program>, http://<address>`;

/** @returns undefined where the text is no scorer */
export function wantedScorer(text: string): WantedScorer | undefined {
  if (/^https?:\/\/./.test(text)) return { kind: 'http', url: text };
  const [, prefix, rest] = /^(onnx|exec):(.+)$/.exec(text) ?? [];
  if (prefix === 'onnx') return { kind: 'onnx', file: rest.trim() };
  if (prefix === 'exec') return { kind: 'exec', program: rest.trim() };
  const [, name, given] = /^([^=]*?)\s*(?:=\s*(.+))?$/.exec(text) ?? [];
  if (name === 'clip_c' && given === undefined) return { kind: 'clip', part: 'clip_c' };
  if (name === 'clip' || name === 'clip-cosine') {
    const loss = name === 'clip' ? {} : { loss: 'cosine' as const };
    return { kind: 'clip', ...loss, ...(given === undefined ? {} : { folder: given }) };
  }
  const known = SCORER_NAMES.find((one) => one === name);
  return known && { kind: 'preference', name: known, ...(given === undefined ? {} : { weights: given }) };
}

/** The CLIP that lies in the folder `clip` of a model, as `sgool score` and `sgool evaluate` call it. */
export const MODEL_CLIP = 'clip_a';

/**
 * The name of a scorer in reports, the one that `sgool evaluate` gives its score. Of a file or folder it is the last part of the path: a
 * CLIP in a folder `clip_b` is `clip_b`.
 */
export function scorerName(wanted: WantedScorer): string {
  switch (wanted.kind) {
    case 'clip':
      return wanted.folder === undefined ? nameOfPart(wanted.part) : lastPart(wanted.folder);
    case 'preference':
      return wanted.name;
    case 'onnx':
      return lastPart(wanted.file).replace(/\.onnx$/i, '');
    case 'http':
      return wanted.url;
    case 'exec':
      return lastPart(wanted.program);
  }
}

const nameOfPart = (part: ClipPart = 'clip') => (part === 'clip' ? MODEL_CLIP : part);

/** The part of a path behind the last slash, of either kind. */
const lastPart = (path: string) => /([^/\\]+)[/\\]*$/.exec(path)?.[1] ?? path;
