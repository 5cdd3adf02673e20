"use strict";
(() => {
  const section = document.getElementById("explorer");
  const source = document.getElementById("explored");
  if (!section || !source) return;
  const data = JSON.parse(source.textContent);
  const n = data.images.length;
  if (!n || !data.labels.length) return;
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const truth = new Int8Array(bytes(data.truth).buffer);
  const members = data.members.map(each => ({...each, scores: new Uint16Array(bytes(each.scores).buffer)}));
  const part = name => section.querySelector(`[data-part="${name}"]`);
  const [member, label, slider, kind, order, gallery, more, status, back] =
    ["member", "label", "threshold", "kind", "order", "gallery", "more", "status", "back"].map(part);
  const fill = (select, names) => names.forEach((name, at) => select.add(new Option(name, at)));
  fill(member, members.map(each => each.name));
  fill(label, data.labels);
  const KINDS = {
    missed: (yes, says) => yes === 1 && !says,
    alarm: (yes, says) => yes === 0 && says,
    found: (yes, says) => yes === 1 && says,
    rejected: (yes, says) => yes === 0 && !says,
    changed: (yes, says, was) => says !== was,
    any: () => true,
  };
  // scores are rounded: one at its threshold stays there
  const PAGE = 60, EPS = 0.6 / data.scale;
  const urls = [];
  const sheet = at => {
    if (!urls[at]) {
      const [head, body] = data.sheets[at].split(",");
      urls[at] = URL.createObjectURL(new Blob([bytes(body)], {type: head.slice(5, head.indexOf(";"))}));
    }
    return urls[at];
  };
  let shown = PAGE;
  const state = () => {
    const m = members[member.value], l = Number(label.value);
    return {
      name: data.labels[l], tuned: m.thresholds[l], at: Number(slider.value),
      truth: truth.subarray(l * n, (l + 1) * n), scores: m.scores.subarray(l * n, (l + 1) * n),
    };
  };
  const ratio = (a, b) => b ? (a / b).toFixed(3) : "–";
  const nameOf = (yes, says) => yes < 0 ? "unknown" : yes ? says ? "found" : "missed" : says ? "false alarm" : "rightly no";
  const picture = (row, now) => {
    const cell = document.createElement("figure"), tile = document.createElement("div");
    const text = document.createElement("figcaption"), score = now.scores[row] / data.scale;
    const yes = now.truth[row], says = score >= now.at - EPS, what = nameOf(yes, says);
    const each = data.across * data.across, place = row % each, side = data.side;
    const drawn = Math.min(each, n - each * Math.floor(row / each));
    tile.className = "tile";
    tile.setAttribute("role", "img");
    tile.setAttribute("aria-label", `image ${data.images[row]}: ${what}, score ${score.toFixed(2)}`);
    tile.style.backgroundImage = `url("${sheet(Math.floor(row / each))}")`;
    tile.style.backgroundSize = `${data.across * 100}% ${Math.ceil(drawn / data.across) * 100}%`;
    const lines = Math.ceil(drawn / data.across), x = place % data.across, y = Math.floor(place / data.across);
    tile.style.backgroundPosition =
      `${100 * x / (data.across - 1)}% ${lines > 1 ? 100 * y / (lines - 1) : 0}%`;
    cell.className = yes === 1 !== says && yes >= 0 ? (yes ? "missed" : "alarm") : "";
    const strong = document.createElement("b");
    strong.textContent = `${what} · ${score.toFixed(2)}`;
    const name = document.createElement("span");
    name.textContent = data.images[row];
    text.append(strong, name);
    cell.append(tile, text);
    return cell;
  };
  const map = data.map ? (() => {
    const canvas = part("map"), chosen = part("chosen"), each = data.map.each;
    const [number, x, y, cosines] = ["number", "x", "y", "cosines"].map(name => new Uint16Array(bytes(data.map[name]).buffer));
    const near = new Int32Array(bytes(data.map.near).buffer);
    const COLOURS = {found: "--passed", missed: "--note", "false alarm": "--critical", "rightly no": "--bar", unknown: "--soft"};
    const EDGE = 10;
    let kinds = [], filled = new Set(), picked = -1;
    part("legend").replaceChildren(...Object.entries(COLOURS).flatMap(([name, colour]) => {
      const dot = document.createElement("i");
      dot.style.background = `var(${colour})`;
      return [dot, name];
    }));
    let across = 0, down = 0;
    const place = at => [
      EDGE + x[at] * (across - 2 * EDGE) / data.scale, down - EDGE - y[at] * (down - 2 * EDGE) / data.scale,
    ];
    const fit = () => {
      const scale = window.devicePixelRatio || 1;
      [across, down] = [canvas.clientWidth, canvas.clientHeight];
      canvas.width = across * scale;
      canvas.height = down * scale;
      canvas.getContext("2d").scale(scale, scale);
      paint();
    };
    let ink = "", colours = {};
    const dress = () => {
      const style = getComputedStyle(document.documentElement);
      ink = style.getPropertyValue("--ink");
      colours = Object.fromEntries(Object.entries(COLOURS).map(([kind, name]) => [kind, style.getPropertyValue(name)]));
      paint();
    };
    const paint = () => {
      const pen = canvas.getContext("2d");
      pen.clearRect(0, 0, across, down);
      // one path for all points of a colour: thousands of strokes of their own would be felt
      for (const full of [false, true]) for (const [kind, colour] of Object.entries(colours)) {
        pen.beginPath();
        for (let at = 0; at < number.length; at++) {
          if (kinds[number[at]] !== kind || filled.has(number[at]) !== full) continue;
          const [left, top] = place(at), radius = full ? 4 : 2.5;
          pen.moveTo(left + radius, top);
          pen.arc(left, top, radius, 0, 7);
        }
        pen.globalAlpha = full ? 0.9 : 0.45;
        pen.fillStyle = pen.strokeStyle = colour;
        if (full) pen.fill(); else pen.stroke();
      }
      pen.globalAlpha = 1;
      if (picked >= 0) {
        const [left, top] = place(picked);
        pen.beginPath();
        pen.arc(left, top, 8, 0, 7);
        pen.lineWidth = 2;
        pen.strokeStyle = ink;
        pen.stroke();
      }
    };
    const pick = at => {
      if (at < 0) return;
      picked = at;
      const list = document.createElement("ol"), what = document.createElement("p");
      what.className = "soft";
      what.textContent = `Nearest of ${data.map.searched.toLocaleString("en")} training images, with their labels:`;
      for (let k = 0; k < each; k++) {
        const item = document.createElement("li"), one = near[at * each + k];
        item.textContent = `${data.map.training[one]}: ${data.map.labels[one]} (cosine ${(cosines[at * each + k] / data.scale).toFixed(2)})`;
        list.append(item);
      }
      chosen.replaceChildren(picture(number[at], state()), what, list);
      paint();
    };
    const nearest = (left, top, fits = () => true) => {
      let best = -1, least = Infinity;
      for (let at = 0; at < number.length; at++) {
        const [a, b] = place(at), far = (a - left) ** 2 + (b - top) ** 2;
        if (far < least && fits(a - left, b - top, at)) { least = far; best = at; }
      }
      return best;
    };
    canvas.addEventListener("click", event => {
      const box = canvas.getBoundingClientRect();
      pick(nearest(event.clientX - box.left, event.clientY - box.top));
    });
    const WAYS = {
      ArrowLeft: (a, b) => a < 0 && Math.abs(b) <= -a, ArrowRight: (a, b) => a > 0 && Math.abs(b) <= a,
      ArrowUp: (a, b) => b < 0 && Math.abs(a) <= -b, ArrowDown: (a, b) => b > 0 && Math.abs(a) <= b,
    };
    canvas.addEventListener("keydown", event => {
      const way = WAYS[event.key];
      if (!way) return;
      event.preventDefault();
      if (picked < 0) pick(nearest(across / 2, down / 2));
      else pick(nearest(...place(picked), (a, b, at) => at !== picked && way(a, b)));
    });
    new ResizeObserver(fit).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
    dress();
    return (now, said) => {
      kinds = said;
      filled = now;
      if (picked >= 0) pick(picked); else paint();
    };
  })() : () => {};
  const draw = () => {
    const now = state(), wanted = KINDS[kind.value];
    const counts = {tp: 0, fp: 0, fn: 0, tn: 0}, rows = [], said = [];
    let changed = 0;
    for (let row = 0; row < n; row++) {
      const score = now.scores[row] / data.scale, yes = now.truth[row];
      const says = score >= now.at - EPS, was = score >= now.tuned - EPS;
      if (yes >= 0) counts[yes ? says ? "tp" : "fn" : says ? "fp" : "tn"]++;
      if (says !== was) changed++;
      said.push(nameOf(yes, says));
      if (wanted(yes, says, was)) rows.push(row);
    }
    const {tp, fp, fn, tn} = counts;
    for (const [name, value] of Object.entries(counts)) part(name).textContent = value.toLocaleString("en");
    part("value").textContent = now.at.toFixed(3);
    part("precision").textContent = ratio(tp, tp + fp);
    part("recall").textContent = ratio(tp, tp + fn);
    part("f1").textContent = ratio(2 * tp, 2 * tp + fp + fn);
    const by = {
      high: (a, b) => now.scores[b] - now.scores[a],
      low: (a, b) => now.scores[a] - now.scores[b],
      near: (a, b) => Math.abs(now.scores[a] / data.scale - now.at) - Math.abs(now.scores[b] / data.scale - now.at),
    }[order.value];
    rows.sort((a, b) => by(a, b) || a - b);
    gallery.replaceChildren(...rows.slice(0, shown).map(row => picture(row, now)));
    more.hidden = rows.length <= shown;
    map(new Set(rows), said);
    status.textContent = `${Math.min(shown, rows.length).toLocaleString("en")} of ${rows.length.toLocaleString("en")} images shown; `
      + `${changed.toLocaleString("en")} change side between the tuned threshold ${now.tuned.toFixed(3)} and ${now.at.toFixed(3)}`;
  };
  let waiting = 0;
  const later = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(draw); };
  const reset = () => { shown = PAGE; slider.value = state().tuned; later(); };
  for (const each of [member, label]) each.addEventListener("change", reset);
  for (const each of [kind, order]) each.addEventListener("change", () => { shown = PAGE; later(); });
  slider.addEventListener("input", later);
  back.addEventListener("click", reset);
  more.addEventListener("click", () => { shown += PAGE; draw(); });
  section.querySelectorAll("[data-dead]").forEach(each => { each.hidden = true; });
  section.querySelectorAll("[data-alive]").forEach(each => { each.hidden = false; });
  // drawn once it is near, so that the page itself is there at once
  new IntersectionObserver((entries, watch) => {
    if (entries.some(entry => entry.isIntersecting)) { watch.disconnect(); reset(); }
  }, {rootMargin: "600px"}).observe(section);
})();
