/** This module holds the looks of the card and of the corner button. */

/** The colours and sizes that both share. */
const BASE = `
:host { all: initial; }
* { box-sizing: border-box; }
.card, .corner {
  --back: #ffffff; --raised: #f5f6f4; --text: #1c211d; --faint: #5d665f; --line: #dfe3de;
  --accent: #2c6e49; --accent-text: #ffffff; --accent-soft: #e4f1e8;
  --good: #17663a; --good-back: #dff3e5; --bad: #a3282f; --bad-back: #fbe6e6; --focus: #2f7fd6;
  color-scheme: light;
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  color: var(--text);
}
@media (prefers-color-scheme: dark) {
  .card, .corner {
    --back: #1d211e; --raised: #272c29; --text: #ecefec; --faint: #a5ada7; --line: #3a413c;
    --accent: #6fc493; --accent-text: #0d1f15; --accent-soft: #263a2e;
    --good: #8fdcae; --good-back: #1f3b2a; --bad: #f2a5a8; --bad-back: #452527; --focus: #7db7f5;
    color-scheme: dark;
  }
}
button, select, input { font: inherit; color: inherit; }
button { cursor: pointer; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 1px; }
[hidden] { display: none !important; }
`;

export const CARD_STYLE = `${BASE}
.card {
  width: 100%; max-height: 100%; display: flex; flex-direction: column; overflow: auto;
  background: var(--back); border: 1px solid var(--line); border-radius: 14px;
  box-shadow: 0 1px 2px rgb(0 0 0 / 8%), 0 10px 32px rgb(0 0 0 / 18%);
}
header { display: flex; align-items: center; gap: 8px; padding: 10px 8px 8px 14px; }
header svg { flex: none; width: 18px; height: 18px; color: var(--accent); }
h2 { flex: 1; margin: 0; font-size: 14px; font-weight: 600; }
.icon {
  display: grid; place-items: center; width: 30px; height: 30px; padding: 0; border: 0;
  border-radius: 8px; background: none; color: var(--faint); font-size: 18px; line-height: 1;
}
.icon:hover { background: var(--raised); color: var(--text); }
.notice { flex: none; padding: 0 14px 8px; color: var(--bad); font-size: 13px; font-weight: 600; }
.notice p { margin: 0; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; padding: 0 14px 10px; flex: none; }
.chip {
  padding: 3px 10px; border: 1px solid var(--line); border-radius: 999px; background: none;
  font-size: 13px;
}
.chip:hover { background: var(--raised); }
.chip[aria-pressed='true'] {
  border-color: var(--accent); background: var(--accent-soft); color: var(--accent);
}
.ask { display: flex; gap: 6px; padding: 0 14px 10px; }
.ask input, .ask select {
  flex: 1; min-width: 0; height: 34px; padding: 0 10px; border: 1px solid var(--line);
  border-radius: 9px; background: var(--back);
}
.ask iframe { flex: 1; height: 36px; border: 0; color-scheme: normal; }
.body {
  flex: 1 1 auto; min-height: 44px; max-height: 240px; overflow: auto; padding: 12px 14px;
  border-top: 1px solid var(--line); overflow-wrap: anywhere;
}
.text { white-space: pre-wrap; }
.status { display: flex; align-items: center; gap: 9px; margin: 0; color: var(--faint); }
.status.error { color: var(--bad); }
.status.good { color: var(--good); }
.spinner {
  flex: none; width: 14px; height: 14px; border: 2px solid var(--line);
  border-top-color: var(--accent); border-radius: 50%; animation: turn 0.9s linear infinite;
}
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .spinner { animation-duration: 4s; } }
.bar { height: 4px; margin-top: 8px; border-radius: 2px; background: var(--line); }
.bar div { height: 100%; border-radius: 2px; background: var(--accent); }
.text + .status { margin-top: 10px; }
.change {
  display: inline; padding: 0 3px; border: 0; border-radius: 5px; background: var(--good-back);
  color: var(--text); text-align: left; white-space: pre-wrap;
}
.change:hover, .change[aria-expanded='true'] { box-shadow: 0 0 0 1.5px var(--accent); }
del { color: var(--bad); text-decoration: line-through; text-decoration-thickness: 1.5px; }
ins { color: var(--good); font-weight: 600; text-decoration: none; }
del + ins { margin-left: 4px; }
.gone { background: var(--bad-back); }
.detail {
  margin: 0 14px 12px; padding: 9px 11px; border-radius: 10px; background: var(--raised);
  font-size: 13px;
}
.detail p { margin: 0 0 7px; }
.actions { display: flex; flex-wrap: wrap; gap: 6px; }
footer { flex: none; padding: 10px 14px 12px; border-top: 1px solid var(--line); }
.button {
  min-height: 32px; padding: 0 12px; border: 1px solid var(--line); border-radius: 9px;
  background: var(--back); font-size: 13px; font-weight: 500;
}
.button:hover { background: var(--raised); }
.button.primary {
  border-color: var(--accent); background: var(--accent); color: var(--accent-text);
  font-weight: 600;
}
.button.primary:hover { filter: none; border-color: var(--text); }
.button:disabled { opacity: 0.55; cursor: default; }
`;

export const CORNER_STYLE = `${BASE}
.corner {
  display: grid; place-items: center; width: 26px; height: 26px; padding: 0;
  border: 1px solid var(--line); border-radius: 50%; background: var(--back);
  color: var(--accent); box-shadow: 0 1px 4px rgb(0 0 0 / 16%);
}
.corner:hover { border-color: var(--accent); background: var(--accent-soft); }
.corner.found {
  border-color: var(--bad); background: var(--bad-back); color: var(--bad); font-size: 12px;
  font-weight: 700; line-height: 1;
}
.corner svg { width: 15px; height: 15px; }
`;
