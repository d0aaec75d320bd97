/**
 * @file How the modules of a transformer are named where its training code saved it, and in diffusers. Both count blocks alike, so that
 * tables of the modules outside and inside of blocks say everything.
 */
import type { TensorPart } from '../formats/part-source.ts';

/** Modules by their names in the file, each with the modules of diffusers that are in it. */
export type ModuleTable = Readonly<Record<string, readonly TensorPart[]>>;

/** Blocks of one kind. */
export interface BlockTable {
  /** What stands in front of a block's number in the file. */
  readonly file: string;
  /** The same in diffusers. */
  readonly network: string;
  readonly modules: ModuleTable;
  /** Modules of the last block that differ from those of the others. */
  readonly last?: ModuleTable;
  /** Modules that no file of a model has, but LoRAs change. */
  readonly loraModules?: ModuleTable;
}

/** The names of one kind of transformer. */
export interface TransformerNaming {
  readonly outer: ModuleTable;
  readonly blocks: readonly BlockTable[];
  /** Tensors that are no module's weight or bias. */
  readonly tensors?: Readonly<Record<string, string>>;
}

/** The name of a module that is the same tensor in both. */
export const same = (name: string): readonly TensorPart[] => [{ name }];

/** Scale and shift of a last modulation, which diffusers has in the other order. */
export const swapped = (name: string): readonly TensorPart[] => [{ name, swap: true }];

/** Number of blocks behind a prefix, counted without a gap, among names of tensors. */
function blocksIn(names: readonly string[], prefix: string): number {
  const found = new Set<number>();
  for (const name of names) {
    if (!name.startsWith(`${prefix}.`)) continue;
    const [, number] = /^(\d+)\./.exec(name.slice(prefix.length + 1)) ?? [];
    if (number !== undefined) found.add(Number(number));
  }
  let count = 0;
  while (found.has(count)) count++;
  return count;
}

/** All modules, each under its own name. */
function modulesIn({ outer, blocks }: TransformerNaming, count: (table: BlockTable) => number) {
  const found = new Map<string, readonly TensorPart[]>(Object.entries(outer));
  for (const table of blocks) {
    const total = count(table);
    for (let i = 0; i < total; i++) {
      const last = i === total - 1 ? table.last : undefined;
      const modules = { ...table.modules, ...table.loraModules, ...last };
      for (const [module, parts] of Object.entries(modules)) {
        found.set(
          `${table.file}.${i}.${module}`,
          parts.map((part) => ({ ...part, name: `${table.network}.${i}.${part.name}` })),
        );
      }
    }
  }
  return found;
}

/**
 * The modules that LoRAs with the file's names may change, by these names.
 *
 * @param names of the network's tensors in diffusers
 */
export const loraModules = (naming: TransformerNaming, names: readonly string[]) =>
  modulesIn(naming, ({ network }) => blocksIn(names, network));

/**
 * Translates the names of a file's tensors.
 *
 * @param names of all of them, without a prefix
 * @returns the parts of a tensor by its name; none for one that the network does not have
 */
export function partsByName(
  naming: TransformerNaming,
  names: readonly string[],
): (nameInFile: string) => readonly TensorPart[] {
  const modules = modulesIn(naming, ({ file }) => blocksIn(names, file));
  return (nameInFile) => {
    const whole = naming.tensors !== undefined && Object.hasOwn(naming.tensors, nameInFile);
    if (whole) return [{ name: naming.tensors[nameInFile] }];
    const [, module, end] = /^(.+)\.(weight|bias|scale)$/.exec(nameInFile) ?? [];
    // Norms without a bias call their weight a scale.
    const ending = end === 'scale' ? 'weight' : end;
    return (modules.get(module) ?? []).map((part) => ({ ...part, name: `${part.name}.${ending}` }));
  };
}
