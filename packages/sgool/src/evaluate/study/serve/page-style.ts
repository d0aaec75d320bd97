/** @file The look of the page: two pictures as large as the screen allows, side by side or one above the other. */

export const PAGE_STYLE = `
:root {
  --ground: #f6f6f4; --card: #ffffff; --ink: #1d1d1f; --quiet: #5c5c63; --line: #c9c9ce; --accent: #0b57d0; --on-accent: #ffffff;
  --warn: #8a1c0a; --warn-ground: #fdeae6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #161618; --card: #222226; --ink: #ececee; --quiet: #a5a5ad; --line: #45454c; --accent: #8ab4f8; --on-accent: #0b1a33;
    --warn: #ffb4a5; --warn-ground: #3d1a13;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { color-scheme: light dark; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
button, input { font: inherit; color: inherit; }
button { cursor: pointer; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .6rem 1rem; min-height: 44px; }
button:disabled { opacity: .45; cursor: default; }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
h1:focus { outline: none; }
kbd { font: 600 .8em system-ui, sans-serif; border: 1px solid var(--line); border-bottom-width: 2px; border-radius: 5px; padding: .05em .45em; color: var(--quiet); background: var(--card); }
.quiet { color: var(--quiet); font-weight: normal; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); margin: 0; }
.notice { margin: 0; padding: .6rem 1rem; background: var(--warn-ground); color: var(--warn); text-align: center; }

.text { max-width: 40rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
.text h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 1rem; }
.text h2 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
.text p { margin: .5rem 0; }
form { display: grid; gap: .6rem; margin: 1.5rem 0; }
input { padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 10px; background: var(--card); min-height: 44px; }
label { font-weight: 600; }
.keys { margin-top: 1.5rem !important; line-height: 2; }

#rate { display: flex; flex-direction: column; height: 100vh; height: 100dvh; gap: .5rem; max-width: 1600px; margin: 0 auto;
  padding: max(.75rem, env(safe-area-inset-top)) max(1rem, env(safe-area-inset-right)) max(.75rem, env(safe-area-inset-bottom)) max(1rem, env(safe-area-inset-left)); }
#rate header { text-align: center; }
.progress { display: flex; align-items: center; gap: .75rem; color: var(--quiet); font-size: .85rem; font-variant-numeric: tabular-nums; }
progress { flex: 1; height: 6px; appearance: none; border: 0; border-radius: 3px; overflow: hidden; background: var(--line); }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--accent); }
progress::-moz-progress-bar { background: var(--accent); }
#question { font-size: clamp(1.1rem, 2.5vw, 1.5rem); margin: .4rem 0 0; line-height: 1.3; }
#text { margin: .1rem 0 0; font-size: clamp(1rem, 2vw, 1.2rem); overflow-wrap: anywhere; max-height: 5.2em; overflow-y: auto; }
.pair { flex: 1; min-height: 0; display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
figure { container-type: size; margin: 0; min-width: 0; min-height: 0; display: flex; flex-direction: column; align-items: center; justify-content: center; gap: .35rem; }
.picture { flex: none; aspect-ratio: 1; width: min(100cqw, 100cqh - 52px); padding: 6px; border-width: 2px; display: flex; }
.picture img { width: 100%; height: 100%; object-fit: contain; border-radius: 5px; user-select: none; -webkit-user-drag: none; }
.pair.loading img { visibility: hidden; }
@media (hover: hover) { .picture:not(:disabled):hover, nav button:not(:disabled):hover { border-color: var(--accent); } }
figcaption { display: flex; align-items: center; gap: .6rem; }
.zoom { padding: 0; width: 44px; min-height: 36px; font-size: 1.1rem; line-height: 1; }
nav { display: flex; justify-content: center; gap: .75rem; }
.picture.chosen { border-color: var(--accent); box-shadow: 0 0 0 3px var(--accent); }
@media (prefers-reduced-motion: no-preference) { .picture { transition: border-color .12s, box-shadow .12s; } }

@media (orientation: portrait) {
  .pair { grid-template-columns: 1fr; grid-template-rows: 1fr 1fr; gap: .5rem; }
  figure { flex-direction: row; }
  .picture { width: min(100cqw - 60px, 100cqh); }
  figcaption { flex-direction: column; }
  nav { gap: .5rem; }
  nav button { flex: 1; padding: .6rem .2rem; font-size: .92rem; }
}
@media (orientation: landscape) and (max-height: 480px) {
  figure { flex-direction: row; }
  figcaption { flex-direction: column; }
  .picture { width: min(100cqw - 60px, 100cqh); }
  #rate header { display: flex; gap: 1rem; align-items: center; }
  .progress { flex: 0 0 9rem; }
  #question, #text { margin: 0; font-size: 1rem; }
}
/* A touch screen has no keys to name. */
@media (pointer: coarse) { nav kbd, .keys { display: none; } }

dialog { border: 0; padding: 0; background: var(--card); color: var(--ink); max-width: none; max-height: none; width: 100vw; height: 100vh; height: 100dvh; overflow: auto; }
dialog img { display: block; min-width: 100%; min-height: 100%; width: max(100vw, 100vh); height: max(100vw, 100vh); object-fit: contain; touch-action: pan-x pan-y pinch-zoom; }
#zoom-close { position: fixed; right: 1rem; bottom: 1rem; }
`;
