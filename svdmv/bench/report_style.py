"""The report's style sheet, light and dark, wide and narrow, and the script that turns the turntables."""

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2430;--dim:#5d6877;--line:#dfe4ea;--card:#f6f8fa;--good:#137a43;
--bad:#b3261e;--accent:#3366cc}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--fg:#e4e9ef;--dim:#9aa6b4;--line:#2a323d;--card:#1a2029;
--good:#5fd08f;--bad:#ff8b82;--accent:#7da2ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:auto;padding:16px}
h1{font-size:22px}h2{font-size:18px;margin-top:28px}h3{font-size:15px;margin-top:22px}
.note,figcaption,small{color:var(--dim)}figcaption b{color:var(--fg)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
tbody th,.protocol th{text-align:left;font-weight:600;position:sticky;left:0;background:var(--bg)}
.protocol th{white-space:normal;vertical-align:top;max-width:220px}
.protocol td{text-align:left;white-space:normal;overflow-wrap:anywhere}
thead small{display:inline-block;max-width:130px;white-space:normal;overflow-wrap:anywhere;font-weight:400}
tr.model th,tr.model td{background:var(--card)}
tr.oracle th,tr.oracle td{color:var(--dim)}
tr.good td:nth-child(3){color:var(--good)}tr.bad td:nth-child(3){color:var(--bad)}
.warn{border-left:4px solid var(--bad);padding:2px 14px;background:var(--card);overflow-wrap:anywhere}
.card{display:grid;grid-template-columns:repeat(auto-fill,minmax(210px,1fr));gap:2px 20px;background:var(--card);
border:1px solid var(--line);border-radius:8px;padding:12px 16px;margin:12px 0}
.card dt{color:var(--dim);font-size:12px}.card dd{margin:0 0 6px;overflow-wrap:anywhere;font-size:13px}
details{margin:14px 0}summary{cursor:pointer;font-weight:600}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:12px}
figure{margin:0 0 14px}svg{width:100%;height:auto;background:var(--card);border-radius:6px}
.axis{font-size:9px;fill:var(--dim)}
.legend span{margin-right:14px;white-space:nowrap;display:inline-block}
.legend i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:5px}
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,500px),1fr));gap:18px}
.case{border:1px solid var(--line);border-radius:8px;padding:10px 12px;min-width:0}
.panes{display:flex;gap:8px;touch-action:pan-y;cursor:grab;user-select:none}
.panes>div{flex:1;min-width:0;text-align:center}
.pane{aspect-ratio:1;max-width:220px;margin:auto;background-color:#fff;background-repeat:no-repeat;border-radius:6px;
border:1px solid var(--line)}
.turn input{width:100%;accent-color:var(--accent)}
.strip img{width:100%;border-radius:6px;display:block;background:#fff}
"""

SCRIPT = """
for (const turn of document.querySelectorAll('.turn')) {
  const count = Number(turn.dataset.count), slider = turn.querySelector('input'), panes = turn.querySelector('.panes');
  const show = view => {
    const shown = ((view % count) + count) % count;
    slider.value = turn.dataset.view = shown;
    for (const pane of turn.querySelectorAll('.pane'))
      pane.style.backgroundPosition = (count > 1 ? 100 * shown / (count - 1) : 0) + '% 0';
  };
  let from = null, start = 0;
  slider.addEventListener('input', () => show(Number(slider.value)));
  panes.addEventListener('pointerdown', event => {
    from = event.clientX; start = Number(slider.value); panes.setPointerCapture(event.pointerId);
  });
  panes.addEventListener('pointermove', event => {
    if (from !== null) show(start - Math.round((event.clientX - from) / 12));
  });
  for (const end of ['pointerup', 'pointercancel']) panes.addEventListener(end, () => { from = null; });
  show(0);
}
"""
