/* SPDX-License-Identifier: MIT */
/*! visitcountd, MIT */
((w, d) => {
  /* A module and some loaders do not know their element. */
  const scripts = d.currentScript ? [d.currentScript] : d.querySelectorAll("script[data-host],script[src*='count.js']");
  const api = w.visitcount = w.visitcount || {};
  if (api.add) return scripts.forEach(api.add);

  const sites = [], wanted = [];
  let main, view, token, timer, numbers = {};

  const warn = (site, text) => {
    site.said = site.said || !console.warn("visitcount: " + text);
  };

  /* The server's rules for names, see page_key.h. tests/page_keys.json has cases for both. */
  const decode = part => {
    try {
      return decodeURIComponent(part);
    } catch (e) {
      return part.replace(/%[\da-f]{2}/gi, code => code.toUpperCase());
    }
  };
  const tidy = name => ("/" + name + "/").replace(/\/(\.{0,2}\/)+/g, "/").replace(/(\/index\.html)*\/$/, "") || "/";
  const key = api.key = path => tidy(path.split(/[?#]/)[0].replace(/[^/]+/g, decode));
  const escape = name => name.replace(/[%?#\\\s]/g, encodeURIComponent);

  /* The page that an address, or a part of one, names on the site of a script. */
  const nameOf = (address, { query = "", hash }) => {
    const url = new URL(address.replace(/^\s*(\w+:\/\/[^/?#]*)?/, "http://x/"));
    const route = hash != null && /^#!?(\/.*)/.exec(url.hash), values = url.searchParams;
    return key(url.pathname) + query.split(/[ ,]+/)
      .map(name => values.has(name) ? "&" + name + "=" + values.get(name).replace(/[%&/]/g, encodeURIComponent) : "").join("").replace("&", "?") +
      (route ? "#" + nameOf(route[1], { query }) : "").replace(/^#\/$/, "");
  };

  /* A frame that a script has written has the address of its parent. */
  const pageOf = site => {
    const { page, canonical } = site.data, { href } = location;
    const link = canonical != null && d.querySelector("link[rel=canonical]");
    if (!page && (!/^http/.test(href) || w.frameElement && parent.location.href == href))
      return warn(site, "data-page has to name this page");
    const name = nameOf(page || link && link.href || href, site.data), own = api.page ? api.page(name) : name;
    return own && tidy(own);
  };

  /* Asks again if the answer is lost. The token keeps the server from counting twice. */
  const ask = async (site, url, body) => {
    for (let tries = 3; tries--;) {
      try {
        const response = await fetch(url, { method: "POST", body, keepalive: true }), answer = await response.json();
        if (answer.error) warn(site, answer.error.message);
        if (response.status < 500) return answer;
      } catch (e) {}
      await new Promise(done => setTimeout(done, 1500));
    }
    warn(site, "data-host has to name the counter");
    return {};
  };

  const take = counts => {
    Object.assign(numbers, counts);
    write();
    d.dispatchEvent(new CustomEvent("visitcount", { detail: counts }));
  };

  const hit = async (site, name, key) => {
    numbers[name] = null;
    const answer = await ask(site, site.hit + escape(name) + "?view=" + key);
    if (site == main && answer.count != null) take({ [name]: answer.count });
    return answer;
  };
  const newToken = () => Math.random() + "-" + Math.random();

  /* Counts the page that is shown, if it is another one than before. The sites of a page share its token. */
  const look = () => {
    if (!d.hidden && !d.prerendering && d.readyState != "loading") for (const site of sites) {
      const name = pageOf(site);
      if (name == site.shown) continue;
      if (site == main) numbers = {};
      if (name != view) token = newToken();
      view = site.shown = name;
      if (name) hit(site, name, token);
    }
  };

  /* Writes the numbers that are known, and notes which others are wanted. */
  const write = () => {
    const { shown, data } = main;
    for (const element of d.querySelectorAll("[data-visitcount]")) {
      /* React writes "true" for an attribute without a value. */
      const value = element.dataset.visitcount, name = /^(true)?$/.test(value) ? shown : nameOf(value, data);
      const number = numbers[name], text = number != null && number.toLocaleString();
      if (text && text != element.textContent) element.textContent = text;
      if (name && number === undefined) wanted.push(name), numbers[name] = null;
    }
    observer.takeRecords();
  };

  const fill = async () => {
    timer = 0;
    look();
    write();
    const names = wanted.splice(0, 100), counts = {};
    if (!names[0]) return;
    later();
    const { pages = [] } = await ask(main, main.get, JSON.stringify(names.map(escape)));
    pages.forEach(({ count }, at) => counts[names[at]] = count);
    take(counts);
  };
  const later = () => timer = timer || setTimeout(fill, 200);
  const soon = () => setTimeout(look);
  const observer = new MutationObserver(later);

  /* Of two scripts of a site the first one counts while it is in the document. Turbo replaces it. */
  api.add = script => {
    const data = script.dataset, path = tidy(encodeURIComponent(data.site || "default"));
    const v1 = new URL((data.host || script.src).replace(/(\/[^/]*\.js.*|\/?)$/, "/v1/"), d.baseURI).href, hit = v1 + "hit" + path;
    const site = sites.find(known => known.hit == hit) || { hit, get: v1 + "get" + path };
    if (!site.script) sites.push(site);
    if (!site.script || !site.script.isConnected) Object.assign(site, { script, data });
    main = sites[0];
    soon();
  };
  api.count = page => hit(main, page == null ? main.shown : nameOf(page, main.data), newToken());
  api.fill = () => {
    numbers = {};
    later();
  };

  scripts.forEach(api.add);
  if (!main) return warn(api, "data-host has to name the counter");
  observer.observe(d, { childList: true, subtree: true, attributeFilter: ["data-visitcount"] });
  /* Browsers without this (before 2026) are looked at when something on the page changes. */
  if (w.navigation) navigation.addEventListener("currententrychange", soon);
  /* A page that comes back from the browser's memory is a new view. */
  addEventListener("pagehide", () => sites.forEach(site => view = site.shown = 0));
  for (const type of ["prerendering", "visibility", "readystate"]) d.addEventListener(type + "change", fill);
  fill();
})(window, document);
