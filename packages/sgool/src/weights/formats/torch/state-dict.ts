/** @file The tensors of a checkpoint by name, wherever the training code stored them. */
import { UserError } from '../../../errors.ts';
import { PickledObject, PickledTensor, type PickleValue } from './pickle-values.ts';

/** Nesting depth of modules in a TorchScript archive. */
const MAX_DEPTH = 64;
const MAX_ATTRIBUTES = 200_000;

/** Keys under which training codes store a state dict, in the order in which they are tried. */
const NESTED = ['state_dict', 'model_state_dict', 'model', 'module'];

type Dictionary = Map<PickleValue, PickleValue>;

function tensorsOf(dictionary: Dictionary): [string, PickledTensor][] {
  return [...dictionary].filter(
    (entry): entry is [string, PickledTensor] =>
      typeof entry[0] === 'string' && entry[1] instanceof PickledTensor,
  );
}

/** The dictionary that holds the weights: the one given, or one inside. */
function stateDict(value: Dictionary): Dictionary {
  let found = value;
  for (let depth = 0; depth < 4; depth++) {
    const inner = NESTED.map((name) => found.get(name)).find((item) => item instanceof Map);
    if (!(inner instanceof Map)) break;
    // `model` and `module` count only where there is nothing else, because they may be prefixes of weights.
    if (!found.has('state_dict') && tensorsOf(found).length > 0) break;
    found = inner;
  }
  return found;
}

/** Parameters and buffers of TorchScript modules, named by the path of attributes, as `state_dict()` would. */
function scriptTensors(root: PickledObject, path: string): [string, PickledTensor][] {
  const found: [string, PickledTensor][] = [];
  let attributes = 0;
  const visit = (object: PickledObject, prefix: string, depth: number) => {
    if (depth > MAX_DEPTH) throw new UserError(`${path}: modules are nested deeper than ${MAX_DEPTH}`);
    if (!(object.state instanceof Map)) return;
    for (const [name, value] of object.state) {
      // One module may be an attribute of many: a small file can expand without limit.
      if (++attributes > MAX_ATTRIBUTES) {
        throw new UserError(`${path}: its modules have more than ${MAX_ATTRIBUTES} attributes`);
      }
      if (value instanceof PickledTensor) found.push([`${prefix}${name}`, value]);
      else if (value instanceof PickledObject) visit(value, `${prefix}${name}.`, depth + 1);
    }
  };
  visit(root, '', 0);
  return found;
}

/**
 * The vectors of A1111's textual inversions: `string_to_param`, a dictionary or a ParameterDict of one tensor, called
 * `string_to_param.*` here.
 */
function wordTensors(value: Dictionary): [string, PickledTensor][] {
  const found = value.get('string_to_param');
  const state = found instanceof PickledObject ? found.state : undefined;
  const parameters = state instanceof Map ? state.get('_parameters') : found;
  return parameters instanceof Map
    ? tensorsOf(parameters).map(([name, tensor]) => [`string_to_param.${name}`, tensor])
    : [];
}

/** DataParallel puts `module.` before all names. */
function withoutWrapper(entries: [string, PickledTensor][]): [string, PickledTensor][] {
  const wrapped = entries.length > 0 && entries.every(([name]) => name.startsWith('module.'));
  return wrapped ? entries.map(([name, tensor]) => [name.slice('module.'.length), tensor]) : entries;
}

/**
 * The weights in what a torch file holds.
 *
 * @throws UserError when there are none
 */
export function namedTensors(value: PickleValue, path: string): [string, PickledTensor][] {
  const entries =
    value instanceof Map
      ? [...tensorsOf(stateDict(value)), ...wordTensors(value)]
      : value instanceof PickledObject
        ? scriptTensors(value, path)
        : [];
  if (entries.length === 0)
    throw new UserError(`${path}: it holds no tensors by name; a state dict is expected`);
  return withoutWrapper(entries);
}

/** Texts and numbers next to the state dict, such as `global_step`. */
export function plainValues(value: PickleValue): Record<string, string> {
  if (!(value instanceof Map)) return {};
  return Object.fromEntries(
    [...value].flatMap(([name, item]) =>
      typeof name === 'string' && (typeof item === 'string' || typeof item === 'number')
        ? [[name, String(item).slice(0, 200)]]
        : [],
    ),
  );
}
