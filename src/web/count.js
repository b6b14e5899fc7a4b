/* visitcountd, no cookies. SPDX-License-Identifier: MIT */
(({ src, dataset }, d) => {
  const v1 = src.replace(/count\.js.*/, "v1/"), site = "/" + (dataset.site || "default");
  const all = () => [...d.querySelectorAll("[data-visitcount]")];
  let last, fills;

  const fill = (method, url, name) =>
    fetch(url, { method, keepalive: true, credentials: "omit" }).then(r => r.json()).then(({ count }) => {
      for (const e of all())
        if (count != null && e.dataset.visitcount == name) e.textContent = count.toLocaleString();
    }).catch(() => {});

  /* current path, for SPAs */
  const visit = () => {
    const page = dataset.page || location.pathname, hit = v1 + "hit" + site + page;
    if (page == last) return;
    last = page;
    const names = new Set(all().map(e => e.dataset.visitcount));
    fills ||= names.size;
    if (fills || !navigator.sendBeacon(hit)) fill("POST", hit, "");
    names.delete("");
    names.forEach(name => fill("GET", v1 + "get" + site + name, name));
  };

  const start = () => {
    for (const name of ["pushState", "replaceState"]) {
      const old = history[name];
      history[name] = (...how) => (old.apply(history, how), setTimeout(visit));
    }
    addEventListener("popstate", visit);
    visit();
  };
  const ready = () => d.readyState == "loading" ? d.addEventListener("DOMContentLoaded", start) : start();
  d.prerendering ? d.addEventListener("prerenderingchange", ready) : ready();
})(document.currentScript, document);
