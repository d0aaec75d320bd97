/** @file The style of a report's page: light and dark, for phones, screens and paper. */

export const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --text: #1c1e21; --muted: #55595f; --line: #c9cdd3; --shade: #f3f4f6; --link: #0b57b0; --mark: #8a4600; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #15171a; --text: #e8eaed; --muted: #a9afb8; --line: #464b53; --shade: #20242a; --link: #8ab8f5; --mark: #f0b36b; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main, header, footer { max-width: 76rem; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1.5rem 0 0.5rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0.5rem; padding-top: 0.75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 0.25rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 0.5rem; background: var(--ground); padding: 0.5rem; z-index: 2; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; padding: 0; list-style: none; }
nav a { display: inline-block; padding: 0.25rem 0; }
.answer { border-left: 4px solid var(--link); padding: 0.1rem 0 0.1rem 1rem; font-size: 1.05rem; }
.muted, small, figcaption, caption { color: var(--muted); }
small { font-size: 0.85em; }
.tag { color: var(--mark); font-size: 0.85em; }
.scroll { overflow-x: auto; max-width: 100%; margin: 0.75rem 0 1.5rem; }
table { border-collapse: collapse; font-size: 0.93rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 0.35rem; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.7rem 0.35rem 0; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--text); vertical-align: bottom; }
tbody th { font-weight: 500; min-width: 7rem; max-width: 16rem; overflow-wrap: break-word; }
td { min-width: 4rem; max-width: 26rem; overflow-wrap: break-word; }
td:not(.n) { min-width: 8rem; }
td code { display: inline-block; min-width: 16rem; }
td.n, th.n { text-align: right; padding-left: 0.7rem; white-space: nowrap; }
thead th.n { white-space: normal; max-width: 10rem; }
td.n small { display: block; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1.5rem; align-items: start; margin: 1rem 0; }
figure { margin: 0; min-width: 0; }
.figures svg { display: block; width: 100%; max-width: 28rem; height: auto; }
figcaption { font-size: 0.88rem; max-width: 28rem; overflow-wrap: anywhere; }
.row { border-bottom: 1px solid var(--line); padding: 0.75rem 0; break-inside: avoid; }
.row > p { margin: 0 0 0.5rem; }
.pictures { display: flex; flex-wrap: wrap; gap: 0.75rem; }
.pictures figure { width: 10rem; max-width: calc(50% - 0.375rem); }
.pictures img { display: block; width: 100%; height: auto; }
.framed { position: relative; background: var(--shade); }
.framed svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.framed rect { fill: none; vector-effect: non-scaling-stroke; stroke: #000; stroke-width: 4; }
.framed rect + rect { stroke: #fff; stroke-width: 2; stroke-dasharray: 5 3; }
.pictures figure:has(.frames[open]) { width: 100%; max-width: 100%; }
.pictures figure:has(.frames[open]) .framed { width: 10rem; }
.frames img { width: auto; max-width: 100%; }
.none { display: grid; place-content: center; aspect-ratio: 1; background: var(--shade); text-align: center; padding: 0.5rem; font-size: 0.85rem; overflow-wrap: anywhere; }
.toggle { width: 1.2rem; height: 1.2rem; vertical-align: middle; }
.toggle:not(:checked) ~ .rows .framed svg { display: none; }
.changes { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 0 1.5rem; }
summary { cursor: pointer; padding: 0.4rem 0; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--shade); padding: 0.75rem; }
code { overflow-wrap: anywhere; font-size: 0.92em; }
@media print {
  :root { color-scheme: light; --ground: #fff; --text: #000; --muted: #444; --line: #999; --shade: #eee; --link: #000; --mark: #000; }
  nav, .skip, .toggle, .toggle + label { display: none; }
  .scroll { overflow: visible; }
  table { font-size: 0.75rem; }
  details::details-content { content-visibility: visible; block-size: auto; }
  figure, tr { break-inside: avoid; }
}
`;
