// Every page works without this script; it adds what HTML alone cannot do.

// A box that scrolls sideways can be reached by keyboard, and other boxes are no stops on the way.
const boxes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
for (const box of document.querySelectorAll("main pre, .wide, main :is(p, li):has(> math), math")) boxes.observe(box);

const contents = document.querySelector(".contents details");
if (contents) contents.open = matchMedia("(min-width: 72rem)").matches;

const button = document.getElementById("all-code");
const cells = [...document.querySelectorAll("details.code")];
if (button && cells.length) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const open = cells.some((cell) => !cell.open);
    for (const cell of cells) cell.open = open;
    button.textContent = open ? "Fold all code" : "Show all code";
  });
}

// A link may lead into a folded part of the page.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
}
addEventListener("hashchange", unfold);
unfold();
