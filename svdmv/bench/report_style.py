"""The report's style sheet: light and dark, wide and narrow."""

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2430;--dim:#5d6877;--line:#dfe4ea;--card:#f6f8fa;--good:#137a43;
--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--fg:#e4e9ef;--dim:#9aa6b4;--line:#2a323d;--card:#1a2029;
--good:#5fd08f;--bad:#ff8b82}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
main{max-width:1100px;margin:auto;padding:16px}
h1{font-size:22px}h2{font-size:18px;margin-top:28px}h3{font-size:15px;margin-top:22px}
.note,figcaption,small{color:var(--dim)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
tbody th,.protocol th{text-align:left;font-weight:600}
.protocol td{text-align:left;white-space:normal;overflow-wrap:anywhere}
tr.model th,tr.model td{background:var(--card)}
tr.oracle th,tr.oracle td{color:var(--dim)}
tr.good td:nth-child(3){color:var(--good)}tr.bad td:nth-child(3){color:var(--bad)}
.warn{border-left:4px solid var(--bad);padding:2px 14px;background:var(--card)}
details{margin:14px 0}summary{cursor:pointer;font-weight:600}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:12px}
figure{margin:0 0 14px}svg{width:100%;height:auto;background:var(--card);border-radius:6px}
.axis{font-size:9px;fill:var(--dim)}
.legend span{margin-right:14px;white-space:nowrap}
.legend i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:5px}
.strip img{width:100%;max-width:672px;border-radius:6px;display:block;background:#fff}
"""
