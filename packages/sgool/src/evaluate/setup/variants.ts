/** @file The methods of an evaluation as users write them: names, and variants with settings of their own. */
import { UserError } from '../../errors.ts';
import { METHOD_NAMES, type MethodName } from '../../methods/index.ts';

/** A column of the table before its settings are resolved. */
export interface WantedMethod {
  readonly label: string;
  readonly method: MethodName;
  /** Settings by key, as text; `preset` among them. */
  readonly settings: Readonly<Record<string, string>>;
}

const wrong = (message: string) => new UserError(message, { exitCode: 2 });

function methodNamed(text: string, who: string): MethodName {
  const name = METHOD_NAMES.find((one) => one === text);
  if (name !== undefined) return name;
  throw wrong(`${who}: unknown method, got ${text || 'nothing'}; choose from ${METHOD_NAMES.join(', ')}`);
}

/** `sd,doodl,sgool`: methods with their default settings. @throws UserError that names all methods */
export function namedMethods(text: string): WantedMethod[] {
  return text.split(',').map((item) => {
    const method = methodNamed(item.trim(), '--methods');
    return { label: method, method, settings: {} };
  });
}

/**
 * `doodl-20: doodl steps=20 iterations=10`: a label, a method, and settings by key or by the name of their flag.
 *
 * @throws UserError where it is not of this form
 */
export function variant(text: string): WantedMethod {
  const [, label, name, rest] = /^\s*([^:]+?)\s*:\s*(\S+)((?:\s+\S+)*)\s*$/.exec(text) ?? [];
  if (label === undefined || name === undefined) {
    throw wrong(`--variant: not usable, got ${text || 'nothing'}; write "label: method key=value key=value"`);
  }
  const settings: Record<string, string> = {};
  for (const item of (rest ?? '').split(/\s+/)) {
    if (item === '') continue;
    const [, key, value] = /^(?:--)?([\w-]+)=(.+)$/.exec(item) ?? [];
    if (key === undefined || value === undefined) {
      throw wrong(`--variant ${label}: not usable, got ${item}; write key=value`);
    }
    const camel = key.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    if (Object.hasOwn(settings, camel)) throw wrong(`--variant ${label}: ${key} is given twice`);
    settings[camel] = value;
  }
  return { label, method: methodNamed(name, `--variant ${label}`), settings };
}

/** @throws UserError where two columns would have one label */
export function checkLabels(methods: readonly WantedMethod[]): void {
  const seen = new Set<string>();
  for (const { label } of methods) {
    if (seen.has(label))
      throw wrong(`--methods, --variant: two methods are called ${label}; give them different labels`);
    seen.add(label);
  }
}
