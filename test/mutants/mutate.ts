/**
 * @file Mutants of a TypeScript source: small faults, all of them in one text, each behind a switch.
 *
 * Because every mutant is in the same text, a file is compiled once, and a mutant costs only the run of its tests.
 * References: DeMillo, Lipton and Sayward 1978, "Hints on test data selection"; Untch et al. 1993, "Mutation analysis using
 * mutant schemata".
 */
import ts from 'typescript';

/** One fault. */
export interface Mutant {
  /** Number of its switch, above 0. */
  readonly id: number;
  /** Path from the root of the repository. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The whole line of the source, without its indentation. */
  readonly text: string;
  /** What becomes what, in one line. */
  readonly change: string;
  /** Which of several equal changes in its line it is, from 0. */
  readonly nth: number;
}

/** A source whose faults can be switched on. */
export interface MutatedSource {
  readonly code: string;
  readonly mutants: readonly Mutant[];
}

const { SyntaxKind } = ts;

/** What takes the place of an operator. */
const OPERATORS: Partial<Record<ts.SyntaxKind, readonly string[]>> = {
  [SyntaxKind.PlusToken]: ['-'],
  [SyntaxKind.MinusToken]: ['+'],
  [SyntaxKind.AsteriskToken]: ['/'],
  [SyntaxKind.SlashToken]: ['*'],
  [SyntaxKind.PercentToken]: ['*'],
  [SyntaxKind.AsteriskAsteriskToken]: ['*'],
  [SyntaxKind.LessThanLessThanToken]: ['>>'],
  [SyntaxKind.GreaterThanGreaterThanToken]: ['<<'],
  [SyntaxKind.GreaterThanGreaterThanGreaterThanToken]: ['<<'],
  [SyntaxKind.AmpersandToken]: ['|'],
  [SyntaxKind.BarToken]: ['&'],
  [SyntaxKind.CaretToken]: ['&'],
  [SyntaxKind.LessThanToken]: ['<=', '>='],
  [SyntaxKind.LessThanEqualsToken]: ['<', '>'],
  [SyntaxKind.GreaterThanToken]: ['>=', '<='],
  [SyntaxKind.GreaterThanEqualsToken]: ['>', '<'],
  [SyntaxKind.EqualsEqualsEqualsToken]: ['!=='],
  [SyntaxKind.ExclamationEqualsEqualsToken]: ['==='],
  [SyntaxKind.AmpersandAmpersandToken]: ['||'],
  [SyntaxKind.BarBarToken]: ['&&'],
  [SyntaxKind.PlusEqualsToken]: ['-='],
  [SyntaxKind.MinusEqualsToken]: ['+='],
  [SyntaxKind.AsteriskEqualsToken]: ['/='],
  [SyntaxKind.SlashEqualsToken]: ['*='],
};

/** Methods that are easily taken for each other. */
const METHODS: ReadonlyMap<string, string> = new Map([
  ['Math.min', 'Math.max'],
  ['Math.max', 'Math.min'],
  ['Math.floor', 'Math.ceil'],
  ['Math.ceil', 'Math.floor'],
  ['Math.round', 'Math.floor'],
  ['some', 'every'],
  ['every', 'some'],
]);

/** Texts are not mutated: how a message is worded is for people to judge. */
const isText = (node: ts.Node) =>
  ts.isStringLiteralLike(node) || ts.isTemplateExpression(node) || ts.isRegularExpressionLiteral(node);

const holdsText = (node: ts.Node): boolean =>
  isText(node) ||
  (ts.isParenthesizedExpression(node) && holdsText(node.expression)) ||
  (ts.isBinaryExpression(node) &&
    node.operatorToken.kind === SyntaxKind.PlusToken &&
    (holdsText(node.left) || holdsText(node.right)));

const isAssignment = (kind: ts.SyntaxKind) =>
  kind >= SyntaxKind.FirstAssignment && kind <= SyntaxKind.LastAssignment;

/** What may stand in place of an expression. */
function replacements(node: ts.Expression, source: ts.SourceFile): string[] {
  const text = (part: ts.Node) => part.getText(source);
  if (ts.isBinaryExpression(node)) {
    const { left, right, operatorToken: operator } = node;
    if (holdsText(node)) return [];
    if (operator.kind === SyntaxKind.QuestionQuestionToken) return [text(left), text(right)];
    return (OPERATORS[operator.kind] ?? []).map((other) => `${text(left)} ${other} ${text(right)}`);
  }
  if (ts.isPrefixUnaryExpression(node)) {
    const { operator, operand } = node;
    if (operator === SyntaxKind.ExclamationToken || operator === SyntaxKind.MinusToken)
      return [text(operand)];
    if (operator === SyntaxKind.PlusPlusToken) return [`--${text(operand)}`];
    if (operator === SyntaxKind.MinusMinusToken) return [`++${text(operand)}`];
    return [];
  }
  if (ts.isPostfixUnaryExpression(node)) {
    return [`${text(node.operand)}${node.operator === SyntaxKind.PlusPlusToken ? '--' : '++'}`];
  }
  if (node.kind === SyntaxKind.TrueKeyword) return ['false'];
  if (node.kind === SyntaxKind.FalseKeyword) return ['true'];
  if (ts.isNumericLiteral(node)) {
    const value = Number(node.text);
    return value === 0 ? ['1'] : [`(${text(node)} + 1)`, '0'];
  }
  if (ts.isBigIntLiteral(node)) return [`(${text(node)} + 1n)`];
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { expression: owner, name } = node.expression;
    const called = source.text.slice(node.expression.end, node.end);
    const other = METHODS.get(text(node.expression));
    if (other) return [`${other}${called}`];
    const method = METHODS.get(name.text);
    if (method)
      return [`${source.text.slice(owner.getStart(source), name.getStart(source))}${method}${called}`];
  }
  return [];
}

/** Whether an expression decides which way is taken, and may be replaced by `true` and `false`. */
function decisions(node: ts.Expression): string[] {
  const { parent } = node;
  if (node.kind === SyntaxKind.TrueKeyword || node.kind === SyntaxKind.FalseKeyword) return [];
  if (
    (ts.isIfStatement(parent) && parent.expression === node) ||
    (ts.isConditionalExpression(parent) && parent.condition === node)
  ) {
    return ['true', 'false'];
  }
  return [];
}

/** Types, names and texts of errors are no code to mutate. */
function isSkipped(node: ts.Node): boolean {
  return (
    ts.isTypeNode(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isImportDeclaration(node) ||
    ts.isExportDeclaration(node) ||
    ts.isTypeParameterDeclaration(node) ||
    (ts.isNewExpression(node) && /Error$/.test(node.expression.getText()))
  );
}

/** Statements that may be left out. */
function isRemovable(node: ts.Node): boolean {
  if (ts.isThrowStatement(node) || ts.isContinueStatement(node) || ts.isBreakStatement(node))
    return !isInSwitch(node);
  return ts.isExpressionStatement(node) && !/^super\b/.test(node.getText());
}

/** A `break` that ends a case would run into the next one, which linters forbid, tests need not. */
function isInSwitch(node: ts.Node): boolean {
  return (
    ts.isBreakStatement(node) &&
    (ts.isCaseOrDefaultClause(node.parent) || ts.isCaseOrDefaultClause(node.parent.parent))
  );
}

const oneLine = (text: string) => {
  const short = text.replaceAll(/\s+/g, ' ');
  return short.length > 90 ? `${short.slice(0, 87)}...` : short;
};

/**
 * All mutants of a source, and the source with their switches.
 *
 * @param file as messages name it
 * @param firstId number of the first mutant
 */
export function mutate(file: string, text: string, firstId = 1): MutatedSource {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  const mutants: Mutant[] = [];
  const seen = new Map<string, number>();
  const lines = text.split('\n');

  const add = (node: ts.Node, becomes: string): number => {
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
    const change = `${oneLine(node.getText(source))} -> ${oneLine(becomes)}`;
    const key = `${lines[line].trim()}\n${change}`;
    const nth = seen.get(key) ?? 0;
    seen.set(key, nth + 1);
    const id = firstId + mutants.length;
    mutants.push({ id, file, line: line + 1, text: lines[line].trim(), change, nth });
    return id;
  };

  /** The text of a node with switches in its children. */
  const inside = (node: ts.Node): string => {
    let out = '';
    let at = node.getStart(source);
    node.forEachChild((child) => {
      const begin = child.getStart(source);
      out += text.slice(at, begin) + emit(child);
      at = child.end;
    });
    return out + text.slice(at, node.end);
  };

  const emit = (node: ts.Node): string => {
    if (isSkipped(node)) return node.getText(source);
    if (isRemovable(node)) {
      const id = add(node, 'nothing');
      return `{ if (!$mutant(${id})) ${inside(node)} }`;
    }
    if (ts.isIterationStatement(node, false)) return withTick(node);
    if (!ts.isExpression(node) || !canBeReplaced(node)) return inside(node);
    const choices = [...replacements(node, source), ...decisions(node)];
    // Numbers come from this node first, then from its children, so that they follow the source.
    const ids = choices.map((choice) => add(node, choice));
    const original = inside(node);
    if (ids.length === 0) return original;
    return `(${ids.map((id, i) => `$mutant(${id}) ? (${choices[i]}) : `).join('')}(${original}))`;
  };

  /** A loop that counts its rounds: a mutant may make it endless. */
  const withTick = (node: ts.IterationStatement): string => {
    let out = '';
    let at = node.getStart(source);
    node.forEachChild((child) => {
      const begin = child.getStart(source);
      const body = emit(child);
      out += text.slice(at, begin) + (child === node.statement ? `{ $tick(); ${body} }` : body);
      at = child.end;
    });
    return out + text.slice(at, node.end);
  };

  const statements: string[] = [];
  let at = 0;
  for (const statement of source.statements) {
    statements.push(text.slice(at, statement.getStart(source)), emit(statement));
    at = statement.end;
  }
  return { code: `${statements.join('')}${text.slice(at)}`, mutants };
}

/** Whether an expression in parentheses means the same in its place. */
function canBeReplaced(node: ts.Expression): boolean {
  const { parent } = node;
  if (ts.isOmittedExpression(node) || ts.isIdentifier(node)) return isDecision(node);
  // Names of properties.
  if (ts.isPropertyAssignment(parent) && parent.name === (node as ts.Node)) return false;
  if (
    (ts.isPropertyDeclaration(parent) || ts.isMethodDeclaration(parent)) &&
    parent.name === (node as ts.Node)
  )
    return false;
  if (ts.isLiteralTypeNode(parent) || ts.isEnumMember(parent)) return false;
  // The left side of an assignment, and what is called with its object.
  if (ts.isBinaryExpression(parent) && isAssignment(parent.operatorToken.kind) && parent.left === node)
    return false;
  if (
    (ts.isPropertyAccessExpression(parent) || ts.isElementAccessExpression(parent)) &&
    parent.expression === node
  ) {
    return (
      !parent.questionDotToken &&
      !ts.isOptionalChain(node) &&
      (ts.isCallExpression(node) || ts.isBinaryExpression(node))
    );
  }
  if (ts.isPrefixUnaryExpression(parent) || ts.isPostfixUnaryExpression(parent)) {
    const { operator } = parent;
    if (operator === SyntaxKind.PlusPlusToken || operator === SyntaxKind.MinusMinusToken) return false;
    // -1 is one number, and has its own mutants.
  }
  // A chain with ?. ends where its parentheses end.
  if (ts.isOptionalChain(parent as ts.Node)) return (parent as ts.CallExpression).expression !== node;
  return true;
}

const isDecision = (node: ts.Expression) => decisions(node).length > 0;
