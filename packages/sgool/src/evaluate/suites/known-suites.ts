/**
 * @file The public prompt lists that sgool knows: where they are, what they must hold, and what is wrong with them. The lists
 * themselves are not part of sgool: `sgool suites add` takes a file, `sgool suites pull` fetches it.
 */
import { UserError } from '../../errors.ts';
import type { Suite, SuitePrompt } from './suite.ts';
import { type SuiteColumns, type SuiteFormat, suiteHash, suitePrompts } from './suite-text.ts';

/** A file of a public list. */
interface SuiteFile {
  /** Raw file at a fixed commit. */
  readonly url?: string;
  readonly format: SuiteFormat;
  readonly columns?: SuiteColumns;
  /** Category of all its prompts. */
  readonly category?: string;
}

/** What is known about a public list. */
export interface KnownSuite {
  readonly name: string;
  readonly title: string;
  /** Paper, and the repository with the commit. */
  readonly origin: string;
  readonly licence: string;
  readonly count: number;
  /** Of all prompts but the `altered` ones, as `suiteHash` computes it; absent where no copy could be checked. */
  readonly sha256?: string;
  /** Number of prompts by category; checked where there is no hash. */
  readonly categories?: Readonly<Record<string, number>>;
  /** The forms in which people have it, by their file name; the first with addresses is what `pull` fetches. */
  readonly forms: readonly Readonly<Record<string, SuiteFile>>[];
  /** First number of each category, for lists whose file has none. */
  readonly ranges?: Readonly<Record<string, number>>;
  /** Prompts that a public copy has changed: by their number, a piece of the changed text, and what to say of it. */
  readonly altered?: readonly { readonly id: string; readonly text: string; readonly defect: string }[];
  readonly defects?: readonly string[];
}

const raw = (repository: string, commit: string, path: string) =>
  `https://raw.githubusercontent.com/${repository}/${commit}/${path}`;
const HELM = '63754d05';
const helm = (path: string) =>
  raw('stanford-crfm/helm', HELM, `src/helm/benchmark/scenarios/image_generation/${path}`);
const compbench = (category: string) =>
  raw('Karine-Huang/T2I-CompBench', '1b709499', `examples/dataset/${category}_val.txt`);

const COMPBENCH = [
  'color',
  'shape',
  'texture',
  'spatial',
  '3d_spatial',
  'numeracy',
  'non_spatial',
  'complex',
] as const;

export const KNOWN_SUITES: readonly KnownSuite[] = [
  {
    name: 'csp',
    title: 'Common Syntactic Processes',
    origin: `Leivada, Murphy, Marcus 2022, arXiv 2210.12889, table 1; as in stanford-crfm/helm at ${HELM}`,
    licence: "Apache-2.0 (HELM's copy)",
    count: 52,
    sha256: 'be2f3c844d19fbc5f63b6142cec7afe7924691995d96ac36d72ad4d4f8222bdc',
    forms: [
      {
        'common_syntactic_processes_scenario.py': {
          url: helm('common_syntactic_processes_scenario.py'),
          format: 'python',
        },
      },
      { 'csp.csv': { format: 'csv', columns: { prompt: 'prompt', category: 'phenomenon' } } },
    ],
  },
  {
    name: 'drawbench',
    title: 'DrawBench',
    origin: 'Saharia et al. 2022, arXiv 2205.11487; as in openai/dalle3-eval-samples at d7c88c07',
    licence: "MIT (OpenAI's copy); the original sheet states none",
    count: 200,
    sha256: '8e06c32aea22d5e45346c998b2ef6c4430ea3aa67e74ec664af6859cb236d0b0',
    forms: [
      {
        'drawbench.txt': {
          url: raw('openai/dalle3-eval-samples', 'd7c88c07', 'prompts/drawbench.txt'),
          format: 'txt',
        },
      },
      {
        'drawbench_with_category.csv': {
          format: 'csv',
          columns: { prompt: 'prompt_openai_copy', category: 'category' },
        },
      },
      { 'DrawBench.csv': { format: 'csv', columns: { prompt: 'Prompts', category: 'Category' } } },
    ],
    ranges: {
      Colors: 1,
      Conflicting: 26,
      Counting: 36,
      'DALL-E': 55,
      Descriptions: 75,
      'Gary Marcus et al.': 95,
      Misspellings: 105,
      Positional: 115,
      'Rare Words': 135,
      Reddit: 142,
      Text: 180,
    },
    altered: [
      {
        id: '154',
        text: 'skittles',
        defect:
          'prompt 154 is "some skittles" in the copy of OpenAI; the original is about a kitten that licks a duck',
      },
      {
        id: '168',
        text: ' a bedroom',
        defect: 'prompt 168 has "a bedroom" in the copy of OpenAI; the original has "a kid\'s bedroom"',
      },
    ],
  },
  {
    name: 'dailydalle',
    title: 'DailyDallE',
    origin: `Chad Nelson, instagram.com/dailydall.e; as in stanford-crfm/helm at ${HELM}`,
    licence: "Apache-2.0 (HELM's copy); the author of the prompts states none",
    count: 93,
    sha256: '8c90efaba68b465b1d4634c7a75b6abc8f37573aa67117e3ff8662b1b664c9a3',
    forms: [
      { 'daily_dalle_scenario.py': { url: helm('daily_dalle_scenario.py'), format: 'python' } },
      { 'dailydalle.txt': { format: 'txt' } },
    ],
    defects: ['the list has 93 prompts; the paper on SGOOL speaks of 99, and the other 6 are not known'],
  },
  {
    name: 'parti',
    title: 'PartiPrompts',
    origin: 'Yu et al. 2022, arXiv 2206.10789; google-research/parti at 5a657978',
    licence: 'Apache-2.0',
    count: 1632,
    sha256: '2d9e648410bb4bc5cfd8557ce041aa2ef49c8627f86334a82426ee4622f11134',
    forms: [
      {
        'PartiPrompts.tsv': {
          url: raw('google-research/parti', '5a657978', 'PartiPrompts.tsv'),
          format: 'tsv',
          columns: { prompt: 'Prompt', category: 'Category' },
        },
      },
    ],
  },
  {
    name: 'geneval',
    title: 'GenEval',
    origin: 'Ghosh, Hajishirzi, Schmidt 2023, arXiv 2310.11513; djghosh13/geneval at af4902f2',
    licence: 'MIT',
    count: 553,
    sha256: 'a687ad40575aec499b4ceada00fcea3dd216a96f974a81e1ab8f837c145a58ff',
    forms: [
      {
        'evaluation_metadata.jsonl': {
          url: raw('djghosh13/geneval', 'af4902f2', 'prompts/evaluation_metadata.jsonl'),
          format: 'jsonl',
          columns: { prompt: 'prompt', category: 'tag' },
        },
      },
    ],
    defects: [
      "GenEval's own detector is not part of sgool: its prompts are scored by the scorers that are named",
    ],
  },
  {
    name: 't2i-compbench',
    title: 'T2I-CompBench++, validation prompts',
    origin: 'Huang et al. 2023, arXiv 2307.06350; Karine-Huang/T2I-CompBench at 1b709499',
    licence: 'MIT',
    count: 2400,
    sha256: '790096e9843c934b23d6d0f134166bc0e123147e7359caec2d4db96721c23837',
    forms: [
      Object.fromEntries(
        COMPBENCH.map((category): [string, SuiteFile] => [
          `${category}_val.txt`,
          { url: compbench(category), format: 'txt', category },
        ]),
      ),
    ],
    defects: ['its BLIP-VQA and UniDet metrics are not part of sgool: the scorers that are named score it'],
  },
  {
    name: 'imagereward',
    title: "ImageReward's benchmark",
    origin: 'Xu et al. 2023, arXiv 2304.05977; THUDM/ImageReward at c1392c6d',
    licence: 'Apache-2.0',
    count: 100,
    sha256: '71cddd820bae820d37dd6b39888977887bfad6686bae12649fdc9d149ffc38c5',
    forms: [
      {
        'benchmark-prompts.json': {
          url: raw('THUDM/ImageReward', 'c1392c6d', 'benchmark/benchmark-prompts.json'),
          format: 'json',
          columns: { prompt: 'prompt', id: 'id' },
        },
      },
    ],
  },
  {
    name: 'attend-and-excite',
    title: 'Attend-and-Excite',
    origin:
      'Chefer et al. 2023, arXiv 2301.13826; the file a.e_prompts.txt that yuval-alaluf/Attend-and-Excite links',
    licence: 'MIT',
    count: 276,
    categories: { animals: 66, animals_objects: 144, objects: 66 },
    forms: [{ 'a.e_prompts.txt': { format: 'json' } }],
  },
];

/** A file that was given for a suite. */
export interface GivenFile {
  /** Its name without the folder. */
  readonly name: string;
  readonly text: string;
}

/**
 * A public list from its files.
 *
 * @param files all files of one form; a single file may have any name
 * @throws UserError in one line where the number of prompts or their hash is not that of the list
 */
export function knownSuite(known: KnownSuite, files: readonly GivenFile[]): Suite {
  const prompts = promptsOf(known, files);
  const { name, title, origin, licence, count, categories } = known;
  const who = `suite ${name}`;
  if (prompts.length !== count) {
    throw new UserError(
      `${who}: has ${count} prompts, the file holds ${prompts.length}; it is another list or a part`,
    );
  }
  const found = checkedHash(known, prompts);
  if (known.sha256 !== undefined && found !== known.sha256) {
    throw new UserError(
      `${who}: the prompts are not those of the list: SHA-256 ${found.slice(0, 12)}..., expected ${known.sha256.slice(0, 12)}...; use the file by its path if it is yours`,
    );
  }
  for (const [category, number] of Object.entries(categories ?? {})) {
    const held = prompts.filter((prompt) => prompt.category === category).length;
    if (held === number) continue;
    throw new UserError(
      `${who}: has ${number} prompts of ${category}, the file holds ${held}; it is another list`,
    );
  }
  const altered = (known.altered ?? []).filter(({ id, text }) =>
    prompts.some((prompt) => prompt.id === id && prompt.text.includes(text)),
  );
  return {
    name,
    title,
    prompts,
    sha256: suiteHash(prompts),
    origin,
    licence,
    defects: [...altered.map(({ defect }) => defect), ...(known.defects ?? [])],
  };
}

/** The hash of the prompts that all copies share. */
export function checkedHash({ altered = [] }: KnownSuite, prompts: readonly SuitePrompt[]): string {
  return suiteHash(prompts.filter(({ id }) => !altered.some((one) => one.id === id)));
}

function promptsOf(known: KnownSuite, files: readonly GivenFile[]): SuitePrompt[] {
  const form = formFor(known, files);
  const order = Object.keys(form);
  const sorted = files.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  const lists = sorted.flatMap(({ name, text }) => {
    const { format, columns, category } =
      files.length === 1 ? (Object.values(form)[0] as SuiteFile) : form[name];
    const prompts = suitePrompts(text, format, name, columns);
    return prompts.map((prompt) => (category === undefined ? prompt : { ...prompt, category }));
  });
  const numbered = files.length === 1 ? lists : lists.map((prompt, i) => ({ ...prompt, id: String(i + 1) }));
  const { ranges } = known;
  return ranges === undefined ? numbered : numbered.map((prompt) => inRange(prompt, ranges));
}

/** The category by the number of a prompt. Sheets that have one may write it with a blank at its end. */
function inRange(prompt: SuitePrompt, ranges: Readonly<Record<string, number>>): SuitePrompt {
  const [category] = Object.entries(ranges).findLast(([, first]) => Number(prompt.id) >= first) ?? [];
  return category === undefined ? prompt : { ...prompt, category };
}

/** The form whose files these are, by their names; for a single file of another name by its format. */
function formFor(
  { name, forms }: KnownSuite,
  files: readonly GivenFile[],
): Readonly<Record<string, SuiteFile>> {
  const byName = forms.find(
    (form) =>
      Object.keys(form).length === files.length && files.every((file) => Object.hasOwn(form, file.name)),
  );
  if (byName !== undefined) return byName;
  const single = forms.filter((form) => Object.keys(form).length === 1);
  if (files.length === 1) {
    for (const form of single) {
      const [{ format, columns }] = Object.values(form);
      try {
        suitePrompts(files[0].text, format, files[0].name, columns);
        if (looksLike(files[0], format)) return form;
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
      }
    }
  }
  const wanted = forms.map((form) => Object.keys(form).join(', ')).join('; or ');
  throw new UserError(
    `suite ${name}: needs ${wanted}; got ${files.map((file) => file.name).join(', ') || 'no file'}`,
  );
}

/** Any text is lines: the format `txt` is for files that no other format reads. */
function looksLike({ name, text }: GivenFile, format: SuiteFormat): boolean {
  if (format !== 'txt') return true;
  return !/\.(csv|tsv|json|jsonl|py)$/i.test(name) && !/^\s*[[{]/.test(text);
}
