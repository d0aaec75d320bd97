/**
 * @file The script of the page, as text: it is served as it stands, so that no build step makes it. It has no backtick, no dollar
 * with a brace, and works in browsers from 2022 on.
 */
export const PAGE_SCRIPT = String.raw`'use strict';
const $ = (id) => document.getElementById(id);
const PAGES = ['start', 'rate', 'done'];
const REST_MS = 200;

let study;
let token = '';
let session;
// One item for each question about each pair, in the order in which they are asked.
let items = [];
// Answers by item, and the items in the order in which they were answered.
const answers = new Map();
let order = [];
let current = -1;
let busy = true;
let shownAt = 0;
let hiddenSince = 0;
let hiddenFor = 0;
const images = new Map();

const keyOf = ({ pair, question }) => pair + ' ' + question;
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function show(page) {
  for (const id of PAGES) $(id).hidden = id !== page;
}

function problem(text) {
  $('problem').textContent = text;
  $('problem').hidden = text === '';
}

// One request. Refusals are thrown with their status; no answer at all has none.
async function ask(path, body) {
  const headers = { Accept: 'application/json' };
  if (token !== '') headers.Authorization = 'Bearer ' + token;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const response = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers,
    cache: 'no-store',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const said = await response.json().catch(() => ({}));
  if (response.ok) return said;
  throw Object.assign(new Error(said.error || 'the server answered ' + response.status), {
    status: response.status,
    after: Number(response.headers.get('Retry-After')) || 0,
  });
}

// Asks again until the server has answered: a vote has an id, so that it counts once.
async function insist(path, body) {
  for (let attempt = 0; ; attempt++) {
    try {
      const said = await ask(path, body);
      problem('');
      return said;
    } catch (error) {
      if (error.status !== undefined && error.status < 500 && error.status !== 429) throw error;
      problem('Your last answer is not stored yet. Trying again ...');
      await wait(error.after > 0 ? 1000 * error.after : Math.min(10000, 500 * 2 ** attempt));
    }
  }
}

function storeToken(value) {
  token = value;
  try {
    localStorage.setItem('sgool-study-' + study.id, value);
  } catch {
    // Without storage the link in the address bar is left.
  }
  history.replaceState(null, '', '#rater=' + value);
}

function storedToken() {
  const inLink = /[#&]rater=([\w-]{8,64})/.exec(location.hash);
  if (inLink) return inLink[1];
  try {
    return localStorage.getItem('sgool-study-' + study.id) || '';
  } catch {
    return '';
  }
}

function begin(said) {
  session = said;
  items = said.steps.flatMap((step) => study.questions.map((question) => ({ step, pair: step.pair, question })));
  const byKey = new Map(items.map((item, i) => [item.pair + ' ' + item.question.id, i]));
  answers.clear();
  order = [];
  for (const answer of said.answers) {
    const at = byKey.get(keyOf(answer));
    if (at === undefined) continue;
    answers.set(at, answer.choice);
    order.push(at);
  }
  next();
}

function next() {
  const at = items.findIndex((_, i) => !answers.has(i));
  if (at < 0) finish();
  else present(at);
}

function finish() {
  current = -1;
  busy = false;
  const count = (...choices) => [...answers.values()].filter((choice) => choices.includes(choice)).length;
  const of = (n, one, many) => n + ' ' + (n === 1 ? one : many);
  $('own').textContent =
    'You compared ' + of(session.steps.length, 'pair', 'pairs') + ': you chose a picture ' +
    of(count('left', 'right'), 'time', 'times') + ', saw no difference ' + of(count('tie'), 'time', 'times') +
    ', and skipped ' + of(count('skip'), 'time', 'times') + '.';
  $('code').textContent = session.rater;
  show('done');
  $('thanks').focus();
}

// The picture of an id, decoded; each is loaded once.
function load(id) {
  if (!images.has(id)) {
    const image = new Image();
    image.src = '/pictures/' + id;
    images.set(id, { image, ready: image.decode().then(() => true, () => { images.delete(id); return false; }) });
  }
  return images.get(id).ready;
}

async function present(at) {
  const { step, question } = items[at];
  const isSamePair = current >= 0 && items[current].pair === step.pair;
  current = at;
  busy = true;
  show('rate');
  $('bar').max = items.length;
  $('bar').value = answers.size;
  const place = 'Pair ' + (session.steps.indexOf(step) + 1) + ' of ' + session.steps.length;
  $('count').textContent = place;
  $('question').textContent = question.text;
  // The line is kept where the text is not shown, so that the pictures stay where they are.
  $('text').textContent = question.showsText ? '“' + step.text + '”' : '\u00a0';
  $('left').setAttribute('aria-label', 'Picture 1. ' + question.text);
  $('right').setAttribute('aria-label', 'Picture 2. ' + question.text);
  $('announce').textContent = place + '. ' + question.text + (question.showsText ? ' ' + step.text : '');
  $('undo').disabled = order.length === 0;
  if (!isSamePair) {
    $('pair').classList.add('loading');
    for (let attempt = 0; !(await Promise.all([load(step.left.id), load(step.right.id)])).every(Boolean); attempt++) {
      problem('The pictures cannot be loaded. Trying again ...');
      await wait(Math.min(10000, 500 * 2 ** attempt));
    }
    problem('');
    if (current !== at) return;
    $('left-image').src = '/pictures/' + step.left.id;
    $('right-image').src = '/pictures/' + step.right.id;
    await Promise.all([$('left-image').decode(), $('right-image').decode()]).catch(() => undefined);
    $('pair').classList.remove('loading');
  }
  for (const side of ['left', 'right']) $(side).classList.remove('chosen');
  $('question').focus({ preventScroll: true });
  shownAt = performance.now();
  hiddenFor = 0;
  hiddenSince = document.hidden ? shownAt : 0;
  busy = false;
  preload(session.steps.indexOf(step));
}

// The next two pairs, and forgets those behind.
function preload(at) {
  for (const step of session.steps.slice(at + 1, at + 3)) {
    load(step.left.id);
    load(step.right.id);
  }
  if (at > 4) {
    const { left, right } = session.steps[at - 5];
    images.delete(left.id);
    images.delete(right.id);
  }
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) hiddenSince = performance.now();
  else if (hiddenSince > 0) {
    hiddenFor += performance.now() - Math.max(hiddenSince, shownAt);
    hiddenSince = 0;
  }
});

// What another window of the same rater has done in between is taken over.
async function catchUp() {
  begin(await ask('/api/session'));
}

async function answer(choice) {
  if (busy || current < 0) return;
  // A key that was still down for the last pair is no answer to this one.
  const ms = Math.max(0, performance.now() - shownAt - hiddenFor);
  if (ms < REST_MS) return;
  busy = true;
  const at = current;
  const { pair, question } = items[at];
  if (choice === 'left' || choice === 'right') $(choice).classList.add('chosen');
  try {
    await insist('/api/votes', { id: newId(), pair, question: question.id, choice, ms });
    answers.set(at, choice);
    order.push(at);
    next();
  } catch (error) {
    await refused(error);
  }
}

async function undo() {
  if (busy || order.length === 0) return;
  busy = true;
  const at = order[order.length - 1];
  const { pair, question } = items[at];
  try {
    await insist('/api/undo', { id: newId(), pair, question: question.id });
    order.pop();
    answers.delete(at);
    present(at);
  } catch (error) {
    await refused(error);
  }
}

async function refused(error) {
  if (error.status === 409) await catchUp().catch((again) => problem(again.message));
  else problem('The server refuses: ' + error.message + '. Load this page again.');
}

function zoom(side) {
  if (current < 0) return;
  $('zoom-image').src = $(side + '-image').src;
  $('zoom').showModal();
  $('zoom').dataset.side = side;
}

function zoomKey() {
  const dialog = $('zoom');
  if (!dialog.open) zoom('left');
  else if (dialog.dataset.side === 'left') { dialog.close(); zoom('right'); }
  else dialog.close();
}

const KEYS = {
  1: () => answer('left'), ArrowLeft: () => answer('left'),
  2: () => answer('right'), ArrowRight: () => answer('right'),
  0: () => answer('tie'), ' ': () => answer('skip'), Backspace: undo,
};

document.addEventListener('keydown', (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || $('start').hidden === false) return;
  if (event.key === 'z' || event.key === 'Z') { if (!$('rate').hidden) zoomKey(); return; }
  if ($('zoom').open) return;
  const action = KEYS[event.key];
  if (!action) return;
  // Space on a button that has the focus presses it.
  if (event.key === ' ' && event.target.closest && event.target.closest('button')) return;
  event.preventDefault();
  action();
});

for (const side of ['left', 'right']) $(side).addEventListener('click', () => answer(side));
$('tie').addEventListener('click', () => answer('tie'));
$('skip').addEventListener('click', () => answer('skip'));
$('undo').addEventListener('click', undo);
$('back').addEventListener('click', undo);
$('zoom').addEventListener('click', () => $('zoom').close());
for (const button of document.querySelectorAll('.zoom')) button.addEventListener('click', () => zoom(button.dataset.side));

$('start-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  $('begin').disabled = true;
  try {
    const nick = $('nick').value.trim();
    const { token: mine, ...said } = await ask('/api/raters', nick === '' ? {} : { nick });
    storeToken(mine);
    problem('');
    begin(said);
  } catch (error) {
    problem('It could not begin: ' + error.message);
  }
  $('begin').disabled = false;
});

async function open() {
  study = await ask('/api/study');
  $('start-count').textContent = String(study.steps);
  for (const { text } of study.questions) {
    const item = document.createElement('li');
    item.textContent = text;
    $('start-questions').append(item);
  }
  const known = storedToken();
  if (known !== '') {
    token = known;
    try {
      const said = await ask('/api/session');
      storeToken(known);
      begin(said);
      return;
    } catch (error) {
      token = '';
      if (error.status !== 401) throw error;
    }
  }
  show('start');
  $('begin').focus({ preventScroll: true });
}

open().catch((error) => problem('This page cannot be opened: ' + error.message));
`;
