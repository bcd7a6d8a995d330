import { colourStyle } from "../../lab/report/plot/colours.ts";

/** The console's style sheet; its colours match the lab's plots. */
export const STYLE = `${colourStyle(":root")}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,"Liberation Sans",sans-serif;overflow-wrap:break-word}
header,main{max-width:66rem;margin:0 auto;padding:0 1.25rem}header{padding-top:1.25rem;display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline}
header h1{font-size:1.15rem;margin:0}header nav{display:flex;flex-wrap:wrap;gap:0 1.25rem;flex:1 1 20rem}header a{padding:.2rem 0}summary{padding:.2rem 0;cursor:pointer;width:max-content;max-width:100%}header form{margin-left:auto}
a{color:var(--frontier);text-underline-offset:.18em}:focus-visible{outline:3px solid var(--frontier);outline-offset:2px;border-radius:3px}
section{border-top:1px solid var(--line);padding:1.25rem 0 1.75rem;margin-top:1.25rem}h2{font-size:1.15rem;margin:0 0 .75rem}
.quiet{color:var(--faint);font-size:.9rem;margin:.25rem 0}.fault{color:var(--worse);border-left:3px solid var(--worse);padding-left:.75rem;margin:.75rem 0}
label{display:grid;gap:.15rem;font-size:.88rem;color:var(--faint)}
input,textarea,select,button{font:inherit;color:var(--ink);background:var(--ground);border:1px solid var(--other);border-radius:6px;padding:.4rem .65rem;min-width:0;width:100%}
select{text-overflow:ellipsis}textarea{resize:vertical;min-height:5.5rem}button{width:auto;cursor:pointer;padding:.4rem 1.1rem}button.main{background:var(--frontier);border-color:var(--frontier);color:var(--ground);font-weight:600}
.terms{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem;margin:.75rem 0}
.terms>div{display:grid;gap:.5rem;align-content:start}.terms>label{align-content:start}
.waiting{color:var(--faint);margin:0}.waiting:has(+article){display:none}
ul{margin:.25rem 0 1rem;padding-left:1.25rem}.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(17rem,100%),1fr));gap:1.5rem;margin:0 0 .75rem}
figcaption{font-weight:600;margin-bottom:.25rem}.bar{margin:.4rem 0;font-size:.9rem;display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 .75rem;font-variant-numeric:tabular-nums}.bar>span:first-child{overflow-wrap:anywhere}
.track{position:relative;flex-basis:100%;height:.9rem;margin-right:1.5rem}.track i{position:absolute;inset:0 auto 0 0;background:var(--frontier);opacity:.3}.track i.spent{opacity:1}
.axis{position:relative;height:1.6rem;border-top:1px solid var(--other);font-size:.8rem;color:var(--faint);margin-right:1.5rem}.axis span{position:absolute;transform:translateX(-50%);white-space:nowrap}.axis span:first-child{transform:none}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(19rem,100%),1fr));gap:1.25rem;margin-top:1.25rem}
.pair article{background:var(--panel);border-radius:8px;padding:.9rem 1.1rem;min-width:0}.pair h3{font:600 .95rem ui-monospace,monospace;margin:0 0 .5rem}
.answer{white-space:pre-wrap;margin:0 0 1rem}code{font:.92em ui-monospace,monospace}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}th{font-weight:500;color:var(--faint);text-align:left}
th,td{padding:.3rem 1rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}th.n,td.n{text-align:right}td.n{white-space:nowrap}.pair th,.pair td{border:0;padding:.1rem .75rem .1rem 0}
td:first-child{overflow-wrap:anywhere;min-width:8rem}figure{margin:0}h3{font-size:1rem;margin:1.25rem 0 .5rem}img{max-width:100%;height:auto;display:block}.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:1.25rem}
@media (max-width:44rem){.list thead{display:none}.list tr{display:flex;flex-wrap:wrap;gap:0 1.25rem;padding:.35rem 0;border-bottom:1px solid var(--line)}
.list td{border:0;padding:0}.list td:first-child{flex-basis:100%;font-weight:600}.list td:empty{display:none}.list td+td::before{content:attr(data-head)" ";color:var(--faint)}}
.sign-in{max-width:26rem;display:grid;gap:.75rem;margin-top:1rem}`;
