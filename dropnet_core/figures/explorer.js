(() => {
  "use strict";
  const SHARE = "fraction_remaining";
  const INK = "#222", FAINT = "#ddd", LEFT = 54, RIGHT = 16, TOP = 12, BOTTOM = 46;

  // Markers as polygons around 0 with radius 1; their names are matplotlib's.
  const round = (n, turn, radii = [1]) => Array.from({ length: n * radii.length }, (_, i) => {
    const angle = (turn + (360 * i) / (n * radii.length)) * Math.PI / 180;
    return [radii[i % radii.length] * Math.cos(angle), radii[i % radii.length] * Math.sin(angle)];
  });
  const cross = (turn) => {
    const thin = Math.atan2(0.33, 1) * 180 / Math.PI;
    return [0, 90, 180, 270].flatMap((quarter) => [[-thin, 1.05], [thin, 1.05], [45, 0.47]].map(([more, radius]) => {
      const angle = (quarter + more + turn) * Math.PI / 180;
      return [radius * Math.cos(angle), radius * Math.sin(angle)];
    }));
  };
  const SHAPES = {
    o: round(24, 0), s: round(4, 45, [1.2]), D: round(4, 0, [1.15]), d: [[0, -1.2], [0.7, 0], [0, 1.2], [-0.7, 0]],
    "^": round(3, -90, [1.2]), v: round(3, 90, [1.2]), "<": round(3, 180, [1.2]), ">": round(3, 0, [1.2]),
    p: round(5, -90, [1.1]), h: round(6, -90, [1.1]), H: round(6, 0, [1.1]), "*": round(5, -90, [1.4, 0.6]),
    P: cross(0), X: cross(45),
  };
  const shape = (name, x, y, radius) => "M" + (SHAPES[name] || SHAPES.o)
    .map(([dx, dy]) => `${(x + radius * dx).toFixed(1)} ${(y + radius * dy).toFixed(1)}`).join("L") + "Z";

  const safe = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const grouped = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, ",");

  function short(value, size) { // a tick of the horizontal axis
    if (size === SHARE) return value > 0.99 ? "1.0" : String(+value.toPrecision(4));
    if (size !== "units_remaining" && value >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
    if (size !== "units_remaining" && value >= 1e3) return `${+(value / 1e3).toPrecision(3)} k`;
    return String(Math.round(value));
  }

  function logarithmicTicks(low, high, most) { // the start and at most that many round numbers
    const room = (high / low) ** (0.8 / most);
    let ticks = [];
    for (const multiples of [[1, 2, 5], [1, 3], [1]]) {
      ticks = [high];
      for (let power = -4; power < 13; power++)
        for (const multiple of multiples) {
          const step = multiple * 10 ** power;
          if (step >= low / 1.05 && step <= high / room) ticks.push(step);
        }
      if (ticks.length <= most) break;
    }
    return ticks;
  }

  function evenTicks(low, high) {
    const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((multiple) => multiple * power >= rough);
    const ticks = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) ticks.push(+(i * step).toPrecision(10));
    return ticks;
  }

  function start(root) {
    const find = (selector) => root.querySelector(selector);
    const { first, experiments, quantities, sizes } = JSON.parse(find('script[type="application/json"]').textContent);
    const choice = (name) => find(`[name=${name}]`);
    const plot = find(".plot"), svg = find("svg"), curves = find(".curves");
    const hint = find(".readout").textContent;
    let series = [], cursor = null, frame = null;

    const entry = () => experiments.find((one) => one.name === choice("experiment").value);
    const quantity = () => choice("quantity").value;
    const scale = () => (quantity() === "epochs" ? 100 : 10000);
    const written = (value) => (quantity() === "epochs" ? value.toFixed(1) : value.toFixed(4));
    const wholeNetwork = (one) => Math.max(
      ...Object.values(one.ours).map((points) => points.units[0]),
      ...Object.values(one.theirs).flatMap((part) => Object.values(part.curves).map((points) => points.units[0])));

    function fill(select, options, wanted) { // options: [value, text, disabled]
      select.replaceChildren(...options.map(([value, text, disabled]) => {
        const option = new Option(text, value);
        option.disabled = Boolean(disabled);
        return option;
      }));
      const open = options.filter((option) => !option[2]).map((option) => option[0]);
      select.value = open.includes(wanted) ? wanted : open[0];
    }

    function chooseData() {
      const data = choice("data").value;
      fill(choice("experiment"), experiments.filter((one) => one.data === data).map((one) => [one.name,
        one.name + (one.figures ? ` (${one.figures.replace(/Supplement/g, "Supp")})` : "")
        + (Object.keys(one.ours).length ? "" : ", the paper only")]), choice("experiment").value || first);
      chooseExperiment();
    }

    function chooseExperiment() {
      const one = entry(), ours = Object.keys(one.ours).length > 0;
      const missing = (name) => !ours && !(name in one.theirs);
      const oursOnly = (name) => !ours && (name === "parameters" || name === "macs");
      const measured = Object.entries(quantities).map(([name, text]) => [name, text, missing(name)]);
      const sized = Object.entries(sizes).map(([name, text]) => [name, text.replace(/ \(.*/, ""), oursOnly(name)]);
      fill(choice("quantity"), measured, quantity());
      fill(choice("size"), sized, choice("size").value);
      for (const name of ["ours", "band"]) choice(name).disabled = !ours;
      choice("theirs").disabled = !Object.keys(one.theirs).length;
      const legend = curves.firstElementChild;
      curves.replaceChildren(legend, ...Object.entries(one.looks).map(([curve, [text, colour, marker, dash]]) => {
        const label = document.createElement("label");
        label.innerHTML = `<input type="checkbox" checked value="${safe(curve)}">`
          + '<svg width="34" height="14" aria-hidden="true">'
          + `<path d="M1 7H33" stroke="${colour}" stroke-width="1.7" stroke-dasharray="${dash}"/>`
          + `<path d="${shape(marker, 17, 7, 4.5)}" fill="${colour}"/></svg> ${safe(text)}`;
        return label;
      }));
      cursor = null;
      update();
    }

    function collect() { // the visible curves as series of points, ours first, then the paper's
      const one = entry(), name = quantity(), size = choice("size").value, units = wholeNetwork(one);
      const chosen = [...curves.querySelectorAll("input:checked")].map((box) => box.value);
      const made = [], seen = new Set();
      for (const curve of choice("ours").checked ? chosen.filter((curve) => curve in one.ours) : []) {
        const points = one.ours[curve], [means, half] = points[name];
        made.push({ curve, look: one.looks[curve], own: true, points: means.map((mean, i) => ({
          units: points.units[i], share: points.units[i] / units,
          parameters: points.parameters[i], macs: points.macs[i],
          x: { units_remaining: points.units[i], [SHARE]: points.units[i] / units }[size] ?? points[size][i],
          y: mean / scale(), half: half[i] === null ? null : half[i] / scale(), dead: points.dead[i],
          seeds: Array.isArray(points.seeds) ? points.seeds[i] : points.seeds })).filter((point) => point.x > 0) });
      }
      const known = size === SHARE || size === "units_remaining"; // of the paper's networks no other size is known
      for (const curve of choice("theirs").checked && known ? chosen : []) {
        const origin = one.looks[curve][4], points = ((one.theirs[name] || {}).curves || {})[origin];
        if (!points || seen.has(origin)) continue; // one published curve may belong to two readings of ours
        seen.add(origin);
        made.push({ curve, look: one.looks[curve], own: false, points: points.values[0].map((mean, i) => ({
          units: points.units[i], share: points.units[i] / units,
          y: mean / scale(), half: points.values[1][i] / scale(),
          x: size === SHARE ? points.units[i] / units : points.units[i] })).filter((point) => point.x > 0) });
      }
      return made.filter((one) => one.points.length);
    }

    function draw() {
      const width = Math.max(plot.clientWidth, 260), height = Math.round(Math.min(430, Math.max(270, width * 0.6)));
      const size = choice("size").value, band = choice("band").checked;
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.setAttribute("height", height);
      const points = series.flatMap((one) => one.points);
      if (!points.length) {
        svg.innerHTML = `<text x="${width / 2}" y="${height / 2}" text-anchor="middle">No curve is chosen.</text>`;
        frame = null;
        return;
      }
      const xs = points.map((point) => point.x), largest = Math.max(...xs), smallest = Math.min(...xs);
      const bands = series.filter((one) => one.own && band).flatMap((one) => one.points.filter((point) => point.half));
      let low = Math.min(...points.map((point) => point.y)), high = Math.max(...points.map((point) => point.y));
      if (bands.length) { // a wide band may run out of the axes
        const reach = Math.max(0.2 * (high - low), quantity() === "epochs" ? 1 : 0.01);
        low = Math.min(low, Math.max(low - reach, Math.min(...bands.map((point) => point.y - point.half))));
        high = Math.max(high, Math.min(high + reach, Math.max(...bands.map((point) => point.y + point.half))));
      }
      const margin = Math.max(0.05 * (high - low), quantity() === "epochs" ? 0.5 : 0.002);
      low -= margin;
      high += margin;
      const span = Math.log(largest / smallest) || 1;
      const across = (x) => LEFT + 10 + (Math.log(largest / x) / span) * (width - LEFT - RIGHT - 20);
      const down = (y) => TOP + ((high - y) / (high - low)) * (height - TOP - BOTTOM);
      const area = `x="${LEFT}" y="${TOP}" width="${width - LEFT - RIGHT}" height="${height - TOP - BOTTOM}"`;
      const parts = [`<defs><clipPath id="${frameId}"><rect ${area}/></clipPath></defs>`];
      const text = (x, y, words, anchor, more = "") =>
        `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${INK}" font-size="12" ${more}>${safe(words)}</text>`;
      for (const tick of evenTicks(low, high)) parts.push(
        `<path d="M${LEFT} ${down(tick)}H${width - RIGHT}" stroke="${FAINT}"/>`,
        text(LEFT - 6, down(tick) + 4, tick, "end"));
      for (const tick of logarithmicTicks(smallest, largest, width < 480 ? 5 : 8)) parts.push(
        `<path d="M${across(tick)} ${TOP}V${height - BOTTOM}" stroke="${FAINT}"/>`,
        text(across(tick), height - BOTTOM + 16, short(tick, size), "middle"));
      parts.push(text((LEFT + width - RIGHT) / 2, height - 8, sizes[size], "middle"));
      parts.push(text(-(TOP + height - BOTTOM) / 2, 13, quantities[quantity()], "middle", 'transform="rotate(-90)"'));
      for (const point of points) [point.left, point.top] = [across(point.x), down(point.y)];
      const line = (places) => "M" + places.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
      const inside = [];
      for (const one of series) if (one.own && band) {
        const wide = one.points.filter((point) => point.half !== null);
        const edge = (sign) => wide.map((point) => [point.left, down(point.y + sign * point.half)]);
        const around = [...edge(1), ...edge(-1).reverse()];
        if (wide.length > 1) inside.push(`<path d="${line(around)}Z" fill="${one.look[1]}" opacity="0.13"/>`);
      }
      for (const { own, look: [, colour, marker, dash], points: places } of series) {
        inside.push(`<path d="${line(places.map((point) => [point.left, point.top]))}" fill="none" stroke="${colour}" `
          + (own ? `stroke-width="1.7" stroke-dasharray="${dash}"/>` : 'stroke-width="0.8" opacity="0.45"/>'));
        for (const { left, top } of places) inside.push(`<path d="${shape(marker, left, top, own ? 3.4 : 5.6)}" `
          + (own ? `fill="${colour}"/>` : `fill="none" stroke="${colour}" stroke-width="1.2"/>`));
      }
      parts.push(`<g clip-path="url(#${frameId})">${inside.join("")}</g><g class="cursor"></g>`);
      svg.innerHTML = parts.join("");
      frame = { width };
    }

    function sentence(one, point) {
      const figure = one.own ? "" : entry().theirs[quantity()].figure;
      const other = series.find((two) => two.own !== one.own && two.look[4] === one.look[4]);
      const twin = other && other.points.find((place) => place.units === point.units);
      const said = [`${one.look[0]}, ${one.own ? "ours" : `the paper (${figure})`}`,
        `${point.units} of ${wholeNetwork(entry())} units (${+point.share.toPrecision(3)})`];
      let value = `${quantities[quantity()]} ${written(point.y)}`;
      if (point.half !== null) value += `, ${one.own ? "95 % interval" : "drawn bar"} `
        + `${written(point.y - point.half)} to ${written(point.y + point.half)}`;
      said.push(value);
      if (one.own) {
        const dead = point.dead ? `, ${point.dead} of them dead` : "";
        said.push(point.seeds === 1 ? "one seed" : `mean of ${point.seeds} seeds${dead}`);
        said.push(`${grouped(point.parameters)} parameters, ${grouped(point.macs)} multiply-accumulates`);
      }
      if (twin) said.push(`${one.own ? "the paper" : "ours"} ${written(twin.y)}`);
      return said.join("; ") + ".";
    }

    function mark() {
      const layer = find(".cursor"), one = cursor && series[cursor.series];
      if (!layer || !one) {
        find(".readout").textContent = hint;
        return;
      }
      const point = one.points[cursor.point], end = point.left > frame.width - 80;
      const place = `x="${point.left + (end ? -14 : 14)}" y="${Math.max(point.top - 8, 14)}"`;
      const ring = `cx="${point.left}" cy="${point.top}" r="9" fill="none"`;
      layer.innerHTML = `<circle ${ring} stroke="${INK}" stroke-width="2"/>`
        + `<text ${place} text-anchor="${end ? "end" : "start"}" font-size="13" font-weight="bold" fill="${INK}" `
        + `stroke="#fff" stroke-width="4" paint-order="stroke">${written(point.y)}</text>`;
      find(".readout").textContent = sentence(one, point);
    }

    function tabulate() {
      const units = [...new Set(series.flatMap((one) => one.points.map((point) => point.units)))].sort((a, b) => b - a);
      const shown = [...new Set(series.map((one) => one.curve))];
      const value = (curve, own, count) => {
        const one = series.find((two) => two.curve === curve && two.own === own);
        const point = one && one.points.find((place) => place.units === count);
        return point ? (own ? written(point.y) : `(${written(point.y)})`) : "";
      };
      const both = (curve, count) => [value(curve, true, count), value(curve, false, count)].join(" ").trim();
      const caption = `${entry().name}: ${quantities[quantity()]} by units remaining; the paper's in brackets`;
      const head = shown.map((curve) => `<th scope="col">${safe(entry().looks[curve][0])}</th>`).join("");
      const body = units.map((count) => `<tr><th scope="row">${count}</th>`
        + shown.map((curve) => `<td>${both(curve, count)}</td>`).join("") + "</tr>").join("");
      find(".table").innerHTML = `<table><caption>${safe(caption)}</caption>`
        + `<tr><th scope="col">units</th>${head}</tr>${body}</table>`;
    }

    function update() {
      const one = entry(), counts = Object.values(one.ours).flatMap((points) => points.seeds);
      const kept = cursor && series[cursor.series];
      series = collect();
      const again = kept ? series.findIndex((two) => two.curve === kept.curve && two.own === kept.own) : -1;
      cursor = again < 0 ? null : { series: again, point: Math.min(cursor.point, series[again].points.length - 1) };
      const said = [`${one.network} on ${one.data}`];
      if (counts.length) {
        const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
        const seeds = fewest === most ? most : `${fewest} to ${most}`;
        said.push(most === 1 ? "filled: ours, one seed"
          : `filled: ours, mean of ${seeds} seeds; band: 95 % interval (Student's t)`);
      } else said.push("not yet run by us");
      if (quantity() in one.theirs) said.push(`open: the paper, read off ${one.theirs[quantity()].figure}`);
      find(".shown").textContent = said.join("; ") + ".";
      const against = sizes[choice("size").value];
      plot.setAttribute("aria-label", `${quantities[quantity()]} of ${one.name} against ${against}. `
        + `${series.length} curves. Left and right arrow move along a curve, up and down to another.`);
      draw();
      mark();
      tabulate();
    }

    function nearest(places, key, wanted) {
      const far = (place) => Math.abs(place[key] - wanted);
      return places.reduce((best, place, i) => (far(place) < far(places[best]) ? i : best), 0);
    }

    plot.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
        Home: [0, -Infinity], End: [0, Infinity] };
      const step = steps[event.key];
      if (!step || !series.length || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      if (!cursor) cursor = { series: 0, point: 0 };
      else if (step[0]) {
        const left = series[cursor.series].points[cursor.point].left;
        const next = (cursor.series + step[0] + series.length) % series.length;
        cursor = { series: next, point: nearest(series[next].points, "left", left) };
      } else cursor.point = Math.min(Math.max(cursor.point + step[1], 0), series[cursor.series].points.length - 1);
      mark();
    });
    plot.addEventListener("focus", () => {
      if (!cursor && series.length && plot.matches(":focus-visible")) {
        cursor = { series: 0, point: 0 };
        mark();
      }
    });
    function point(event) {
      if (!frame) return;
      const box = svg.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
      let best = Infinity;
      series.forEach((one, i) => one.points.forEach((place, j) => {
        const far = (place.left - x) ** 2 + (place.top - y) ** 2;
        if (far < best) [best, cursor] = [far, { series: i, point: j }];
      }));
      mark();
    }
    plot.addEventListener("pointermove", point);
    plot.addEventListener("pointerdown", point);
    choice("data").addEventListener("change", chooseData);
    choice("experiment").addEventListener("change", chooseExperiment);
    for (const name of ["quantity", "size", "ours", "band", "theirs"])
      choice(name).addEventListener("change", update);
    curves.addEventListener("change", update);

    const frameId = `dropnet-frame-${document.querySelectorAll(".dropnet-explorer[data-ready]").length}`;
    root.dataset.ready = "";
    find(".with-script").hidden = false;
    find(".without-script").hidden = true;
    find("details").open = false;
    fill(choice("data"), [...new Set(experiments.map((one) => one.data))].map((name) => [name, name]),
      experiments.find((one) => one.name === first).data);
    chooseData();
    new ResizeObserver(() => { draw(); mark(); }).observe(plot);
  }

  const own = document.currentScript && document.currentScript.closest(".dropnet-explorer");
  (own ? [own] : document.querySelectorAll(".dropnet-explorer:not([data-ready])")).forEach(start);
})();
