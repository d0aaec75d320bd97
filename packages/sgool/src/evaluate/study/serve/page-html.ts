/** @file The page that raters see. What it says of the data must stay true: see `votes.ts` for what is stored. */
import { escapeMarkup } from '../../text.ts';

/** @param title of the study, as text */
export function pageHtml(title: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<title>${escapeMarkup(title)}</title>
<link rel="stylesheet" href="/study.css">
<script src="/study.js" defer></script>
</head>
<body>
<noscript><p class="notice">This page needs JavaScript. It loads nothing from any other place.</p></noscript>
<p id="problem" class="notice" role="alert" hidden></p>

<main id="start" class="text" hidden>
  <h1>${escapeMarkup(title)}</h1>
  <p>You see two pictures that computers made from the same text, <b id="start-count"></b> times. Each time you say which one you prefer.
  There is no right or wrong: your own eye is what counts. A few pairs have a clear answer; they show that answers are given with care.</p>
  <ol id="start-questions"></ol>
  <p>You can say that there is no difference, or skip a pair. Take the time that you like. You can stop at any time and go on later
  with the same browser or with your own link, which stands in the address bar.</p>
  <h2>What is stored</h2>
  <p>Your answers, when they were given and how long each took, and the nickname below if you give one. Nothing else: no name, no address, no
  information about your device. Everything stays with the people who run this study. At the end you get a code; with it
  they can remove your answers.</p>
  <form id="start-form">
    <label for="nick">Nickname <span class="quiet">(optional, not your name)</span></label>
    <input id="nick" name="nick" maxlength="40" autocomplete="off" spellcheck="false">
    <button id="begin" type="submit" class="primary">Begin</button>
  </form>
  <p class="quiet keys">Keys: <kbd>1</kbd> or <kbd>←</kbd>, <kbd>2</kbd> or <kbd>→</kbd>, <kbd>0</kbd> no difference, <kbd>Space</kbd> skip,
  <kbd>Backspace</kbd> take back, <kbd>Z</kbd> larger</p>
</main>

<main id="rate" hidden>
  <header>
    <div class="progress">
      <progress id="bar" value="0" max="1" aria-label="Progress"></progress>
      <span id="count"></span>
    </div>
    <h1 id="question" tabindex="-1"></h1>
    <p id="text"></p>
  </header>
  <div class="pair" id="pair">
    <figure>
      <button class="picture" id="left" aria-label="Picture 1"><img id="left-image" alt="" draggable="false"></button>
      <figcaption><kbd>1</kbd><button class="zoom" data-side="left" aria-label="Picture 1, larger">⤢</button></figcaption>
    </figure>
    <figure>
      <button class="picture" id="right" aria-label="Picture 2"><img id="right-image" alt="" draggable="false"></button>
      <figcaption><kbd>2</kbd><button class="zoom" data-side="right" aria-label="Picture 2, larger">⤢</button></figcaption>
    </figure>
  </div>
  <nav aria-label="Other answers">
    <button id="undo"><kbd>⌫</kbd> Take back</button>
    <button id="tie"><kbd>0</kbd> No difference</button>
    <button id="skip"><kbd>Space</kbd> Skip</button>
  </nav>
</main>

<main id="done" class="text" hidden>
  <h1 id="thanks" tabindex="-1">Thank you!</h1>
  <p id="own"></p>
  <p>All of your answers are stored. You can close this page.</p>
  <p class="quiet">Your code, in case you want your answers removed: <code id="code"></code></p>
  <button id="back">Take back the last answer</button>
</main>

<dialog id="zoom" aria-label="The picture, larger"><img id="zoom-image" alt=""><button id="zoom-close">Close</button></dialog>
<p id="announce" class="unseen" aria-live="polite"></p>
</body>
</html>
`;
}
