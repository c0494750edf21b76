// Looks for sections that contain every word of the query, or words that begin so. `SECTIONS` comes
// from search-index.js, a script and not a JSON file, because a page opened from disk may fetch nothing.
const MOST = 40, AROUND = 90;
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const folded = SECTIONS.map((section) => ({ ...section, low: plain(section.text),
  head: plain(`${section.page} ${section.heading}`) }));
const query = document.getElementById("query"), results = document.getElementById("results");
const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const pattern = (word) => new RegExp(`(?<![\\p{L}\\p{N}])${escaped(word)}`, "giu");

function score(section, words) {
  let sum = 0;
  for (const word of words) {
    const head = section.head.match(pattern(word)), text = section.low.match(pattern(word));
    if (!head && !text) return 0;
    sum += (head ? 10 : 0) + Math.min(text ? text.length : 0, 5);
  }
  return sum;
}

function excerpt(text, words) {
  const at = Math.max(0, Math.min(...words.map((word) => {
    const place = plain(text).search(pattern(word));
    return place < 0 ? Infinity : place;
  })));
  const start = Number.isFinite(at) ? Math.max(0, at - AROUND) : 0, end = start + 3 * AROUND;
  const line = document.createElement("p"), part = text.slice(start, end);
  line.append(start ? "… " : "");
  let last = 0;
  for (const match of part.matchAll(new RegExp(words.map((word) => pattern(word).source).join("|"), "giu"))) {
    const mark = document.createElement("mark");
    mark.textContent = match[0];
    line.append(part.slice(last, match.index), mark);
    last = match.index + match[0].length;
  }
  line.append(part.slice(last), end < text.length ? " …" : "");
  return line;
}

function search() {
  const words = plain(query.value).split(/[^\p{L}\p{N}@_-]+/u).filter(Boolean);
  const hits = words.length ? folded.map((section) => [score(section, words), section])
    .filter(([points]) => points).sort((a, b) => b[0] - a[0]) : [];
  document.getElementById("count").textContent = !words.length ? ""
    : `${hits.length || "No"} section${hits.length === 1 ? "" : "s"} found`
      + (hits.length > MOST ? `; the first ${MOST} are shown` : "");
  results.replaceChildren(...hits.slice(0, MOST).map(([, section]) => {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = section.url;
    link.textContent = section.heading === section.page ? section.page : `${section.page}: ${section.heading}`;
    item.append(link, excerpt(section.text, words));
    return item;
  }));
  history.replaceState(null, "", words.length ? `?q=${encodeURIComponent(query.value)}` : location.pathname);
}

query.value = new URLSearchParams(location.search).get("q") || "";
query.addEventListener("input", search);
query.form.addEventListener("submit", (event) => event.preventDefault());
query.focus();
if (query.value) search();
