/** The page's style: colours follow the reader's scheme, and on a narrow screen a table's row becomes a block. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ink: light-dark(#222, #ddd); --muted: light-dark(#5c6066, #9aa0a8); --paper: light-dark(#fff, #16181c); --line: light-dark(#e3e5e8, #2c3036);
  --ours: light-dark(#2a9d5c, #37a868); --published: light-dark(#d1495b, #cf5a6a); --rival: light-dark(#7d9cce, #5b7fb9); --floor: light-dark(#b3b3b3, #707479);
}
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 66rem; padding: 0 1rem; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 0.5rem; } h3 { font-size: 1rem; margin: 2rem 0 0.25rem; }
p { max-width: 46rem; }
.verdict { font-size: 1.1rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; padding: 0; list-style: none; font-size: 0.85rem; }
.swatch { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 2px; margin-right: 0.4em; }
.ours { background: var(--ours); } .published { background: var(--published); } .rival { background: var(--rival); } .floor { background: var(--floor); }
.phase-0 { background: light-dark(#cfc4ea, #4a3f70); } .phase-1 { background: light-dark(#9d86d3, #7a64b8); } .phase-2 { background: light-dark(#5f43ab, #b3a1e6); } .phase-3 { background: light-dark(#e0a458, #b98038); }
.phase-4 { background: light-dark(#6fa8a0, #4d8a82); } .phase-5 { background: light-dark(#b3b3b3, #707479); }
table { width: 100%; border-collapse: collapse; margin: 0.75rem 0 1.5rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); font-size: 0.85rem; padding-bottom: 0.4rem; }
th, td { padding: 0.35rem 0 0.35rem 1.2rem; border-top: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child { padding-left: 0; text-align: left; }
thead th { border: 0; color: var(--muted); font-size: 0.85rem; font-weight: normal; } thead td { border: 0; }
th[scope=row] { font-weight: 600; }
small { display: block; max-width: 20rem; color: var(--muted); font-weight: normal; line-height: 1.3; white-space: normal; }
td.bar { width: 42%; }
.track { position: relative; display: flex; height: 1.1rem; }
.track b { height: 100%; } .track b:last-of-type { border-radius: 0 2px 2px 0; }
.track i { position: absolute; top: 25%; height: 50%; min-width: 2px; border: solid var(--ink); border-width: 0 1.5px; background: linear-gradient(var(--ink), var(--ink)) center / 100% 1.5px no-repeat; }
.track u { position: absolute; top: -0.35rem; bottom: -0.35rem; border-left: 1px dashed var(--muted); }
.head { display: none; }
.skipped, footer { color: var(--muted); font-size: 0.85rem; } footer { margin-top: 3rem; }
@media (max-width: 46rem) {
  table, caption, tbody { display: block; } thead { display: none; }
  tr { display: flex; flex-wrap: wrap; gap: 0.3rem 0.5rem; padding: 0.7rem 0; border-top: 1px solid var(--line); }
  th, td { padding: 0; border: 0; text-align: left; }
  th[scope=row], td.bar { flex: 0 0 100%; } td.bar { padding: 0.2rem 0; } small { max-width: none; }
  .number { min-width: 4.6rem; } .head { display: block; color: var(--muted); font-size: 0.85rem; }
}
`;
