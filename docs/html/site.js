// site.js -- the search, the theme and the menu of the HTML pages; nothing is fetched.
// SPDX-License-Identifier: MIT
"use strict";
(function () {
  const root = document.documentElement;
  const base = root.dataset.root;
  const query = document.getElementById("query");
  const found = document.getElementById("found");
  const menu = document.getElementById("menu");
  const nav = document.getElementById("nav");

  document.getElementById("theme").addEventListener("click", function () {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("weir-theme", root.dataset.theme); } catch (e) { /* kept for this page only */ }
  });

  menu.addEventListener("click", function () {
    menu.setAttribute("aria-expanded", String(nav.classList.toggle("open")));
  });

  // A word in a heading counts most, then in the title of the page, then in the text; every word must be there.
  function score(entry, words) {
    const title = entry[1].toLowerCase(), heading = entry[2].toLowerCase(), text = entry[3].toLowerCase();
    let sum = 0;
    for (const word of words) {
      let points = 0;
      if (heading.includes(word)) points += 10;
      if (title.includes(word)) points += 4;
      if (text.includes(word)) points += 1;
      if (points === 0) return 0;
      sum += points;
    }
    return entry[0].startsWith("examples/") ? sum / 4 : sum;
  }

  function excerpt(text, word) {
    const found = text.toLowerCase().indexOf(word);
    const from = found > 40 ? text.lastIndexOf(" ", found - 30) + 1 : 0;
    const cut = text.length > from + 120 ? text.lastIndexOf(" ", from + 120) : -1;
    const to = cut > from ? cut : from + 120;
    return (from > 0 ? "… " : "") + text.slice(from, to) + (text.length > to ? " …" : "");
  }

  function item(entry, word) {
    const li = document.createElement("li"), a = document.createElement("a");
    const where = document.createElement("b"), page = document.createElement("i"), text = document.createElement("span");
    a.href = base + entry[0];
    where.textContent = entry[2];
    page.textContent = entry[1] === entry[2] ? "" : entry[1];
    text.textContent = excerpt(entry[3], word);
    a.append(where, " ", page, text);
    a.addEventListener("click", function () { found.hidden = true; });
    li.append(a);
    return li;
  }

  function search() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.replaceChildren();
    found.hidden = words.length === 0;
    if (found.hidden) return;
    const hits = (window.SEARCH || []).map(function (e) { return [score(e, words), e]; })
      .filter(function (h) { return h[0] > 0; })
      .sort(function (a, b) { return b[0] - a[0] || a[1][2].length - b[1][2].length; })
      .slice(0, 12);
    for (const hit of hits) found.append(item(hit[1], words[0]));
    if (hits.length === 0) {
      const none = document.createElement("li");
      none.textContent = "Nothing found.";
      found.append(none);
    }
  }

  query.addEventListener("input", search);
  query.addEventListener("focus", search);
  document.addEventListener("keydown", function (e) {
    if (e.key === "/" && document.activeElement !== query) {
      e.preventDefault();
      query.focus();
    } else if (e.key === "Escape") {
      found.hidden = true;
      query.blur();
    } else if (e.key === "Enter" && document.activeElement === query) {
      const first = found.querySelector("a");
      if (first) first.click();
    }
  });
  document.addEventListener("click", function (e) {
    if (!e.target.closest(".search")) found.hidden = true;
  });

  // A link to each heading, for who wants to hand it on.
  for (const heading of document.querySelectorAll("main :is(h2, h3, h4)[id]")) {
    const a = document.createElement("a");
    a.href = "#" + heading.id;
    a.className = "anchor";
    a.textContent = "#";
    a.setAttribute("aria-label", "Link to: " + heading.textContent);
    heading.append(" ", a);
  }

  // page.html?q=words opens with the search filled in.
  const asked = new URLSearchParams(location.search).get("q");
  if (asked) {
    query.value = asked;
    search();
  }
  const here = nav.querySelector("[aria-current]");
  if (here && here.offsetTop + here.offsetHeight > nav.clientHeight) nav.scrollTop = here.offsetTop - nav.clientHeight / 2;
})();
