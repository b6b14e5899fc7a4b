# SPDX-License-Identifier: MIT
"""One page view is one visit: the snippet on pages as people make them, in Chromium and Firefox."""

import gzip
import json
import re

import pytest

from counter_way import CounterWay
from harness import ROOT, SqliteStore, wait_until
from other_site import OtherSite

#: Notes what the page asks for, and what it says in the console.
NOTES = """<script>window.asked = []; window.said = [];
{ const real = window.fetch;
  window.fetch = (url, how) => {
    const one = {at: performance.now(), url: String(url), method: how && how.method || "GET", body: how && how.body, ended: false};
    const end = () => { one.ended = true; };
    asked.push(one);
    const answer = real(url, how);
    answer.then(end, end);
    return answer;
  };
  for (const kind of ["warn", "error"]) {
    const log = console[kind];
    console[kind] = (...words) => { said.push(words.join(" ")); log.apply(console, words); };
  }
  addEventListener("error", e => e.message && said.push("error: " + e.message));
  addEventListener("unhandledrejection", e => said.push("rejected: " + e.reason));
}</script>"""
KEYS = json.loads((ROOT / "tests" / "page_keys.json").read_text())


def page(head="", body=""):
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><title>a page</title>'
            f"{NOTES}{head}</head><body>{body}</body></html>")


@pytest.fixture
def store(directory):
    return SqliteStore(directory / "visits.db")


@pytest.fixture
def daemon(new_daemon, store):
    sites = [{"name": "blog", "aliases": ["weblog"]}, {"name": "shop"}]
    return new_daemon({"sites": sites, "bots": "count", **store.settings}).wait_for_store()


@pytest.fixture
def site():
    made = OtherSite({})
    yield made
    made.finish()


@pytest.fixture
def way(daemon):
    made = CounterWay(daemon)
    yield made
    made.finish()


def snippet(counter, attributes='data-site="blog"', how="async", name="count.js"):
    return '<script %s src="http://%s:%d/%s" %s></script>' % (how, *counter.address, name, attributes)


def totals(store):
    return {page: total for (_, page), total in store.totals().items() if page}


def settle(reader):
    """Until the page has asked for nothing in a third of a second of its own time: it asks for numbers after a fifth at the latest."""
    reader.run_async("const start = performance.now(), look = () => asked.every(one => one.ended) && "
                     "performance.now() - Math.max(start, ...asked.map(one => one.at)) > 350 ? done() : setTimeout(look, 20); look()")


def shows(reader, selector, text):
    reader.wait(f"(document.querySelector({json.dumps(selector)}) || {{}}).textContent == {json.dumps(text)}", f"{selector} to show {text}")


def counted(store, wanted):
    wait_until(lambda: totals(store) == wanted, lambda: f"{wanted}; counted are {totals(store)}")


# --- 1: once, however often the script is there ---

@pytest.mark.parametrize("second", ["count.js", "count.js?ver=6.4", "./count.js?a/b.js#x"])
def test_the_script_is_there_twice(reader, daemon, store, site, second):
    site.pages["*"] = page(head=snippet(daemon), body="<b data-visitcount></b>" + snippet(daemon, how="", name=second) + snippet(daemon, how="defer"))
    reader.open(site, "/a")
    shows(reader, "b", "1")
    settle(reader)
    assert totals(store) == {"/a": 1}


def test_the_script_is_there_twice_under_names_that_only_the_server_knows(reader, daemon, store, site, way):
    """Two names of a site, two addresses of a counter: the token of the page view is the same."""
    site.pages["*"] = page(head=snippet(daemon) + snippet(daemon, 'data-site="weblog"') + snippet(way), body="<b data-visitcount></b>")
    reader.open(site, "/a")
    shows(reader, "b", "1")
    settle(reader)
    assert totals(store) == {"/a": 1}
    reader.run("history.pushState({}, '', '/b')")
    counted(store, {"/a": 1, "/b": 1})
    settle(reader)
    assert totals(store) == {"/a": 1, "/b": 1}


def test_two_sites_on_a_page_count_one_each(reader, daemon, store, site):
    site.pages["*"] = page(head=snippet(daemon) + snippet(daemon, 'data-site="shop"'), body="")
    reader.open(site, "/a")
    wait_until(lambda: {place: total for place, total in store.totals().items() if place[1]} == {("blog", "/a"): 1, ("shop", "/a"): 1}, "a visit of each")
    settle(reader)
    reader.run("history.pushState({}, '', '/b')")
    wait_until(lambda: len(totals(store)) == 2 and len(store.totals()) == 4, "the next page")
    settle(reader)
    assert {place: total for place, total in store.totals().items() if place[1]} == {
        ("blog", "/a"): 1, ("shop", "/a"): 1, ("blog", "/b"): 1, ("shop", "/b"): 1}


@pytest.fixture
def framework_site(site, npm):
    site.npm = npm
    return site


@pytest.mark.parametrize("where", ["head", "body", "permanent"])
def test_turbo(reader, daemon, store, framework_site, where):
    """Turbo replaces the body and evaluates its scripts again; a page that it has kept is shown before the server's."""
    site = framework_site
    script = snippet(daemon, how="async" if where == "head" else "")
    head = '<script src="/npm/@hotwired/turbo/dist/turbo.es2017-umd.js"></script>' + (script if where == "head" else "")
    for path, other in (("/one", "/two"), ("/two", "/one")):
        site.pages[path] = page(head=head, body=f'<a id="go" href="{other}">on</a> <b data-visitcount></b>'
                                       + (f'<div id="kept" data-turbo-permanent>{script}</div>' if where == "permanent" else script if where == "body" else ""))
    reader.open(site, "/one")
    shows(reader, "b", "1")
    for path, number in (("/two", 1), ("/one", 2), ("/two", 2)):
        reader.run("document.getElementById('go').click()")
        reader.wait(f"location.pathname == '{path}' && !document.documentElement.hasAttribute('data-turbo-preview')")
        shows(reader, "b", str(number))
        settle(reader)
    assert totals(store) == {"/one": 2, "/two": 2}
    reader.back()
    reader.wait("location.pathname == '/one'")
    counted(store, {"/one": 3, "/two": 2})
    settle(reader)
    assert totals(store) == {"/one": 3, "/two": 2}
    assert reader.run("return said") == []


def test_turbo_with_a_page_of_its_own_name(reader, daemon, store, framework_site):
    """The script that a new body brings is the one that counts: it names the new page."""
    site = framework_site
    head = '<script src="/npm/@hotwired/turbo/dist/turbo.es2017-umd.js"></script>'
    for path, other in (("/one", "/two"), ("/two", "/one")):
        attributes = f'data-site="blog" data-page="/name{path}"'
        site.pages[path] = page(head=head, body=f'<a id="go" href="{other}">on</a> <b data-visitcount></b>' + snippet(daemon, attributes, how=""))
    reader.open(site, "/one")
    shows(reader, "b", "1")
    reader.run("document.getElementById('go').click()")
    counted(store, {"/name/one": 1, "/name/two": 1})
    settle(reader)
    assert totals(store) == {"/name/one": 1, "/name/two": 1}


@pytest.mark.parametrize("where", ["head", "container"])
def test_swup(reader, daemon, store, framework_site, where):
    site = framework_site
    head = '<script defer src="/npm/swup/dist/Swup.umd.js"></script>' + (snippet(daemon) if where == "head" else "")
    start = "<script>addEventListener('DOMContentLoaded', () => { window.swup = new Swup({animationSelector: false}); })</script>"
    for path, other in (("/one", "/two"), ("/two", "/one")):
        site.pages[path] = page(head=head + start, body=f'<main id="swup"><a id="go" href="{other}">{path}</a> <b data-visitcount></b>'
                                       + (snippet(daemon) if where == "container" else "") + "</main>")
    reader.open(site, "/one")
    shows(reader, "b", "1")
    reader.wait("!!window.swup")
    for path, number in (("/two", 1), ("/one", 2)):
        reader.run("document.getElementById('go').click()")
        reader.wait(f"(document.getElementById('go') || {{}}).textContent == '{path}'")
        shows(reader, "b", str(number))
        settle(reader)
    assert totals(store) == {"/one": 2, "/two": 1}


# --- 2: the same page under another spelling of its address ---

def test_a_router_tidies_its_address(reader, daemon, store, site):
    site.pages["*"] = page(head=snippet(daemon), body="<b data-visitcount></b>")
    reader.open(site, "/docs")
    shows(reader, "b", "1")
    for tidied in ("/docs/", "/docs/index.html", "/%64ocs", "/docs?tab=2#x", "//docs" if reader.name == "none" else "/docs//"):
        reader.run(f"history.replaceState({{}}, '', '{tidied}')")
        settle(reader)
    assert totals(store) == {"/docs": 1}
    reader.run("history.pushState({}, '', '/caf%C3%A9'); setTimeout(() => history.replaceState({}, '', '/caf\u00e9/'))")
    counted(store, {"/docs": 1, "/caf\u00e9": 1})
    settle(reader)
    assert totals(store) == {"/docs": 1, "/caf\u00e9": 1}


def test_a_redirect_of_a_router_counts_its_end(reader, daemon, store, site):
    """pushState and replaceState at once are one change; a replaceState to another page later is a view of that page."""
    site.pages["*"] = page(head=snippet(daemon), body="")
    reader.open(site, "/")
    counted(store, {"/": 1})
    reader.run("history.pushState({}, '', '/old'); history.replaceState({}, '', '/new')")
    counted(store, {"/": 1, "/new": 1})
    reader.run("history.replaceState({}, '', '/other')")
    counted(store, {"/": 1, "/new": 1, "/other": 1})


def test_the_table_of_page_names(reader, daemon, site):
    """The snippet and the server agree which paths are one page: tests/unit/test_page_key.c reads the same table."""
    site.pages["*"] = page(head=snippet(daemon), body="")
    reader.open(site, "/")
    reader.wait("!!(window.visitcount && visitcount.key)")
    for case in KEYS:
        if "snippet" not in case or case["snippet"]:
            assert reader.run(f"return visitcount.key({json.dumps(case['path'])})") == case.get("snippet", case["key"]), case


# --- 3: the token of a page view ---

def test_a_lost_answer_is_asked_for_again(reader, daemon, store, site, way):
    lost = []
    way.loses = lambda method, path: method == "POST" and path.startswith("/v1/hit/") and (lost.append(path) or len(lost) == 1)
    site.pages["*"] = page(head=snippet(way), body="<b data-visitcount></b>")
    reader.open(site, "/a")
    shows(reader, "b", "1")
    assert len(lost) >= 2 and len(set(lost)) == 1, "the same request, with the same token"
    assert totals(store) == {"/a": 1}


def test_each_page_view_has_a_token_of_its_own(reader, daemon, store, site, way):
    site.pages["*"] = page(head=snippet(way), body="")
    for _ in range(2):
        reader.open(site, "/a")
        settle(reader)
    reader.run("history.pushState({}, '', '/b')")
    settle(reader)
    reader.run("history.back()")
    counted(store, {"/a": 3, "/b": 1})
    hits = [path for method, path, _ in way.asked if path.startswith("/v1/hit/")]
    tokens = [re.search(r"[?&]view=([\w.-]{16,64})$", path)[1] for path in hits]
    assert len(set(tokens)) == 4
    assert way.count("OPTIONS", "/") == 0, "no preflights"


# --- 4: origins and the referrer ---

@pytest.mark.parametrize("policy", ["no-referrer", "same-origin", "origin", "unsafe-url"])
@pytest.mark.parametrize("where", ["header", "element"])
def test_a_site_with_origins_and_a_referrer_policy(reader, new_daemon, store, site, policy, where):
    origin = "http://%s:%d" % site.address
    daemon = new_daemon({"sites": [{"name": "blog", "origins": [origin]}], "bots": "count", **store.settings}).wait_for_store()
    site.headers = {"Referrer-Policy": policy} if where == "header" else {}
    attributes = 'data-site="blog"' + (f' referrerpolicy="{policy}"' if where == "element" else "")
    site.pages["*"] = page(head=snippet(daemon, attributes), body="")
    reader.open(site, "/a")
    counted(store, {"/a": 1})
    assert reader.run("return said") == []


def test_a_page_that_is_left_at_once(reader, daemon, store, site):
    site.pages["/left"] = page(head="<script>{ const ask = window.fetch; window.fetch = (...how) => { setTimeout(() => location.replace('/next'));"
                                           "return ask(...how); }; }</script>" + snippet(daemon), body="")
    site.pages["/next"] = "<!doctype html><title>next</title>"
    reader.open(site, "/left")
    reader.wait("location.pathname == '/next'")
    counted(store, {"/left": 1})


# --- 5: pages that come back, and pages that nobody sees yet ---

def test_a_page_that_comes_back_is_a_view(reader, daemon, store, site):
    """From the browser's memory (bfcache) as much as from the server."""
    site.is_kept = True
    site.pages["/next"] = "<!doctype html><title>next</title>"
    site.pages["*"] = page(head="<script>window.kept = []; addEventListener('pageshow', e => kept.push(e.persisted))</script>" + snippet(daemon),
                                  body="<b data-visitcount></b>")
    reader.open(site, "/a")
    shows(reader, "b", "1")
    settle(reader)
    reader.open(site, "/next")
    reader.back()
    shows(reader, "b", "2")
    assert reader.run("return kept") == [False, True], "the browser has kept it"
    settle(reader)
    assert totals(store) == {"/a": 2}


def test_navigation_with_intercept(reader, daemon, store, site):
    site.pages["*"] = page(head=snippet(daemon), body="<b data-visitcount></b>")
    reader.open(site, "/one")
    shows(reader, "b", "1")
    if not reader.run("return 'navigation' in window"):
        pytest.skip("no navigation API")
    reader.run("navigation.addEventListener('navigate', e => { if (e.canIntercept) e.intercept({handler: async () => {}}); });"
               "navigation.navigate('/two')")
    counted(store, {"/one": 1, "/two": 1})
    settle(reader)
    reader.run("navigation.back()")
    counted(store, {"/one": 2, "/two": 1})
    settle(reader)
    reader.run("location.hash = 'part'")
    settle(reader)
    assert totals(store) == {"/one": 2, "/two": 1}
    assert site.asked.count("/two") == 0


@pytest.mark.parametrize("has_navigation", [True, False])
def test_history(reader, daemon, store, site, has_navigation):
    """Also in browsers without the navigation API, where what changes on the page tells it."""
    head = "" if has_navigation else "<script>Object.defineProperty(window, 'navigation', {value: undefined})</script>"
    site.pages["*"] = page(head=head + snippet(daemon), body="<b data-visitcount></b>")
    reader.open(site, "/one")
    shows(reader, "b", "1")
    reader.run("addEventListener('popstate', () => document.body.append('back')); history.pushState({}, '', '/two'); document.body.append('two')")
    counted(store, {"/one": 1, "/two": 1})
    settle(reader)
    reader.run("history.back()")
    counted(store, {"/one": 2, "/two": 1})
    settle(reader)
    reader.run("history.pushState({}, '', '/one#x'); history.replaceState({}, '', '/one?y'); document.body.append('one')")
    settle(reader)
    assert totals(store) == {"/one": 2, "/two": 1}


def test_a_prerendered_page_counts_when_it_is_shown(reader, daemon, store, site):
    site.pages["/one"] = page(head=snippet(daemon), body='<a id="go" href="/two">on</a><script type="speculationrules">'
                                     '{"prerender": [{"source": "list", "urls": ["/two"], "eagerness": "immediate"}]}</script>')
    site.pages["/two"] = page(head=snippet(daemon), body="<b data-visitcount></b>")
    reader.open(site, "/one")
    counted(store, {"/one": 1})
    if reader.run("return HTMLScriptElement.supports && HTMLScriptElement.supports('speculationrules')"):
        wait_until(lambda: "/two" in site.asked, "the prerendering")
    settle(reader)
    assert totals(store) == {"/one": 1}
    reader.run("document.getElementById('go').click()")
    reader.wait("location.pathname == '/two'")
    shows(reader, "b", "1")
    assert totals(store) == {"/one": 1, "/two": 1}


def test_a_hidden_page_counts_when_it_is_shown(reader, daemon, store, site):
    head = ("<script>window.state = 'hidden'; Object.defineProperty(document, 'visibilityState', {get: () => state});"
            "Object.defineProperty(document, 'hidden', {get: () => state == 'hidden'})</script>")
    site.pages["*"] = page(head=head + snippet(daemon), body="<b data-visitcount></b>")
    reader.open(site, "/a")
    settle(reader)
    assert totals(store) == {}
    reader.run("history.pushState({}, '', '/b')")
    settle(reader)
    assert totals(store) == {}
    reader.run("window.state = 'visible'; document.dispatchEvent(new Event('visibilitychange'))")
    shows(reader, "b", "1")
    for state in ("hidden", "visible"):
        reader.run(f"window.state = '{state}'; document.dispatchEvent(new Event('visibilitychange'))")
    settle(reader)
    assert totals(store) == {"/b": 1}


# --- 6: elements that a script renders later ---

REACT = """<script src="/npm/react/umd/react.production.min.js"></script><script src="/npm/react-dom/umd/react-dom.production.min.js"></script>
<div id="root"></div><script>
const e = React.createElement;
function Page() {
  const [others, show] = React.useState([]);
  window.show = show;
  return e("p", null, e("b", {"data-visitcount": true}, "?"), others.map(name => e("i", {key: name, "data-visitcount": name}, "?")));
}
addEventListener("load", () => setTimeout(() => ReactDOM.createRoot(document.getElementById("root")).render(e(React.StrictMode, null, e(Page))), 50));
</script>"""
VUE = """<script src="/npm/vue/dist/vue.global.prod.js"></script><div id="root"></div><script>
addEventListener("load", () => setTimeout(() => {
  const app = Vue.createApp({data: () => ({others: []}),
    template: '<p><b data-visitcount>?</b><i v-for="name in others" :key="name" :data-visitcount="name">?</i></p>'}).mount("#root");
  window.show = others => { app.others = others; };
}, 50));
</script>"""


@pytest.mark.parametrize("body", [REACT, VUE], ids=["react", "vue"])
@pytest.mark.parametrize("how", ["", "async"])
def test_elements_of_a_framework(reader, daemon, store, framework_site, body, how):
    site = framework_site
    for _ in range(3):
        daemon.fetch("/v1/hit/blog/about")
    site.pages["*"] = page(head=snippet(daemon, how=how), body=body)
    for number in (1, 2, 3):
        reader.open(site, "/app")
        shows(reader, "b", str(number))
    reader.run("show(['/about', '/none'])")
    shows(reader, "i[data-visitcount='/about']", "3")
    shows(reader, "i[data-visitcount='/none']", "0")
    shows(reader, "b", "3")
    settle(reader)
    assert totals(store) == {"/about": 3, "/app": 3}
    assert reader.run("return said") == []


def test_hydration(reader, daemon, store, framework_site):
    """React takes over what the server has rendered: the number stays, or comes again."""
    site = framework_site
    script = """<script src="/npm/react/umd/react.production.min.js"></script><script src="/npm/react-dom/umd/react-dom.production.min.js"></script>
<div id="root"><p><b data-visitcount="">?</b></p></div><script>
const e = React.createElement;
addEventListener("load", () => setTimeout(() => {
  ReactDOM.hydrateRoot(document.getElementById("root"), e("p", null, e("b", {"data-visitcount": ""}, "?")), {onRecoverableError() {}});
  window.hydrated = true;
}, 300));</script>"""
    site.pages["*"] = page(head=snippet(daemon, how=""), body=script)
    reader.open(site, "/app")
    shows(reader, "b", "1")
    reader.wait("window.hydrated")
    settle(reader)
    shows(reader, "b", "1")
    assert totals(store) == {"/app": 1}


def test_many_elements_are_one_question(reader, daemon, store, site, way):
    for number in (1, 2, 3):
        daemon.fetch(f"/v1/hit/blog/p/{number}")
    body = "<b data-visitcount></b>" + "".join(f'<i data-visitcount="/p/{number}/">?</i><u data-visitcount="p/{number}">?</u>' for number in range(90))
    site.pages["*"] = page(head=snippet(way), body=body)
    reader.open(site, "/a")
    reader.wait("[...document.querySelectorAll('i, u')].every(e => e.textContent != '?')")
    shows(reader, "b", "1")
    assert [reader.run(f"return document.querySelectorAll('{tag}')[{number}].textContent") for tag in "iu" for number in (0, 2, 3, 4)] == ["0", "1", "1", "0"] * 2
    settle(reader)
    assert [way.count("POST", "/v1/hit/"), way.count("POST", "/v1/get/"), way.count("GET", "/v1/"), way.count("OPTIONS", "/")] == [1, 1, 0, 0]


def test_elements_that_keep_coming(reader, daemon, store, site, way):
    """One question in 200 ms at most, no more than 100 pages in one, and what the snippet writes asks for nothing."""
    site.pages["*"] = page(head=snippet(way), body="<b data-visitcount></b><div></div>")
    reader.open(site, "/a")
    shows(reader, "b", "1")
    settle(reader)
    reader.run_async("let n = 0; const more = () => { const i = document.createElement('i'); i.dataset.visitcount = '/p/' + n; i.textContent = '?';"
                     "document.querySelector('div').append(i); ++n < 150 ? setTimeout(more, 5) : done(); }; more()")
    reader.run("for (let n = 0; n < 230; n++) document.querySelector('div').insertAdjacentHTML('beforeend', `<i data-visitcount='/q/${n}'>?</i>`)")
    reader.wait("[...document.querySelectorAll('i')].every(e => e.textContent == '0')")
    settle(reader)
    times = reader.run("return asked.filter(one => one.url.includes('/v1/get/')).map(one => one.at)")
    assert all(later - earlier > 190 for earlier, later in zip(times, times[1:])), times
    bodies = [json.loads(body) for method, path, body in way.asked if path.startswith("/v1/get/")]
    assert max(map(len, bodies)) <= 100
    names = sum(bodies, [])
    assert len(names) == len(set(names)) == 380, "each page once"
    before = len(way.asked)
    reader.run("document.querySelector('div').append('text', document.createElement('p'))")
    settle(reader)
    assert len(way.asked) == before


def test_an_element_that_changes_its_page(reader, daemon, store, site):
    daemon.fetch("/v1/hit/blog/about")
    site.pages["*"] = page(head=snippet(daemon), body='<i data-visitcount="/none">?</i>')
    reader.open(site, "/a")
    shows(reader, "i", "0")
    reader.run("document.querySelector('i').dataset.visitcount = '/about'")
    shows(reader, "i", "1")
    reader.run("document.querySelector('i').textContent = '?'")
    shows(reader, "i", "1")


# --- 7: the script elsewhere ---

def count_js(daemon):
    return daemon.fetch("/count.js").body


def answer_script(body):
    return lambda handler: handler.answer(body, "text/javascript", "no-store")


def test_the_script_under_another_name(reader, daemon, store, site):
    site.answers["/js/stats.js"] = answer_script(count_js(daemon))
    host = "http://%s:%d" % daemon.address
    for number, given in enumerate((host, host + "/", host + "/count.js", host[5:])):
        site.pages["*"] = page(head=f'<script async src="/js/stats.js" data-host="{given}" data-site="blog"></script>', body="")
        reader.open(site, "/a")
        counted(store, {"/a": number + 1})


def test_the_script_behind_a_path_of_the_site(reader, daemon, store, site):
    """A proxy of the site's own: the counter is wherever the script is."""
    asked = []
    site.answers["/stats/count.js"] = answer_script(count_js(daemon))
    site.pages["*"] = page(head=NOTES + '<script async src="/stats/count.js" data-site="blog"></script>', body="")
    reader.open(site, "/a")
    reader.wait("asked.length")
    assert reader.run("return asked[0].url").startswith("http://%s:%d/stats/v1/hit/blog/a?view=" % site.address), asked


@pytest.mark.parametrize("kind", ["inline", "inline module", "module", "loader", "tag manager"])
def test_the_script_does_not_know_its_element(reader, daemon, store, site, kind):
    host = "http://%s:%d" % daemon.address
    code = count_js(daemon).decode()
    marks = f'data-host="{host}" data-site="blog"'
    head = {
        "inline": f"<script {marks}>{code}</script>",
        "inline module": f'<script type="module" {marks}>{code}</script>',
        "module": snippet(daemon, how='type="module"') + snippet(daemon, how='type="module"'),
        "loader": f'<script type="text/loader" src="{host}/count.js" data-site="blog"></script>'
                  "<script>fetch(document.querySelector('[type=\"text/loader\"]').src).then(r => r.text()).then(code => new Function(code)())</script>",
        "tag manager": f"<script>setTimeout(() => {{ const s = document.createElement('script'); s.src = '{host}/count.js'; s.dataset.site = 'blog';"
                       "document.head.append(s); }, 50)</script>",
    }[kind]
    site.pages["*"] = page(head=head, body="<b data-visitcount></b>")
    reader.open(site, "/a")
    shows(reader, "b", "1")
    settle(reader)
    assert {place: total for place, total in store.totals().items() if place[1]} == {("blog", "/a"): 1}


def test_modules_of_two_sites(reader, daemon, store, site):
    """A browser evaluates a module once, however many elements name it."""
    site.pages["*"] = page(head=snippet(daemon, how='type="module"') + snippet(daemon, 'data-site="shop"', how='type="module"'), body="")
    reader.open(site, "/a")
    wait_until(lambda: {place for place in store.totals() if place[1]} == {("blog", "/a"), ("shop", "/a")}, "a visit of each")


@pytest.mark.parametrize("kind", ["inline", "wrong host", "no counter there"])
def test_where_it_cannot_work_it_says_so_once(reader, daemon, store, site, kind):
    code = count_js(daemon).decode()
    head = {"inline": f"<script>{code}</script>", "wrong host": snippet(daemon, 'data-host="http://" data-site="blog"'),
            "no counter there": '<script src="/js/stats.js" data-site="blog"></script>'}[kind]
    site.answers["/js/stats.js"] = answer_script(count_js(daemon))
    site.pages["*"] = page(head=head, body="<b data-visitcount>?</b><i data-visitcount='/x'>?</i>")
    reader.open(site, "/a")
    reader.wait("said.length")
    settle(reader)
    said = reader.run("return said")
    assert len(said) == 1 and said[0].startswith("visitcount: ") and "data-host" in said[0], said
    assert totals(store) == {}


# --- 8: never another page or site by accident ---

DATA_PAGES = [
    ("/about", "/about"), ("about", "/about"), (" /about/ ", "/about"), ("/about?x=1#y", "/about"), ("https://blog.example/about/", "/about"),
    ("//about//", "/about"), ("/caf\u00e9 au lait", "/caf\u00e9 au lait"), ("/caf%C3%A9", "/caf\u00e9"), ("/a%2Fb", "/a/b"), ("/100%", "/100%"),
    ("/100%25", "/100%"), ("a\\b", "/a/b"), ("./about", "/about"), ("/x/../about", "/about"), ("../../shop/about", "/shop/about"), ("/", "/"),
    ("about/index.html", "/about"), ("/?p=1", "/"), ("/a:b", "/a:b"), ("a.svg", "/a.svg"), ("/%25zz", "/%zz"), ("/\U0001f600", "/\U0001f600"), ("..%2F..%2Fshop%2Fx", "/shop/x"),
    ("true", "/true"), ("/%2525", "/%25")]


def gained(store, before):
    """The visits since `before`, by site and page."""
    return {place: total - before.get(place, 0) for place, total in store.totals().items() if place[1] and total != before.get(place, 0)}


def test_data_page_in_any_form(reader, daemon, store, site):
    for given, name in DATA_PAGES:
        before = store.totals()
        escaped = given.replace("&", "&amp;").replace('"', "&quot;")
        site.pages["*"] = page(head=snippet(daemon, f'data-site="blog" data-page="{escaped}"'), body="<b data-visitcount></b>")
        reader.open(site, "/elsewhere/page")
        wait_until(lambda: gained(store, before), f"a visit by data-page={given}")
        assert gained(store, before) == {("blog", name): 1}, given


@pytest.mark.parametrize("attributes", ['data-site="../shop"', 'data-site="shop/x"', 'data-site=".."',
                                        'data-site="blog?" data-page="/x"', 'data-site="blog#"', 'data-site="%73hop"'])
def test_a_name_that_leads_elsewhere_counts_nothing(reader, daemon, store, site, attributes):
    site.pages["*"] = page(head=snippet(daemon, attributes), body="<b data-visitcount>?</b>")
    reader.open(site, "/a")
    reader.wait("said.length")
    settle(reader)
    said = reader.run("return said")
    assert len(said) == 1 and said[0].startswith("visitcount: "), said
    assert totals(store) == {}


@pytest.mark.parametrize("attributes, counts", [('data-site="blog"', {}), ('data-site="blog" data-page="/named"', {"/named": 1})])
@pytest.mark.parametrize("frame", ["srcdoc", "blank", "blob", "data"])
def test_documents_without_an_address(reader, daemon, store, site, frame, attributes, counts):
    """A page without an address of its own counts only if it is named."""
    inner = NOTES + snippet(daemon, attributes) + "<script>addEventListener('message', e => e.source.postMessage(window.said, '*'))</script>"
    code = json.dumps(inner).replace("</", "<\\/")
    make = {"srcdoc": f"f.srcdoc = {code}", "blank": "", "blob": f"f.src = URL.createObjectURL(new Blob([{code}], {{type: 'text/html'}}))",
            "data": f"f.src = 'data:text/html,' + encodeURIComponent({code})"}[frame]
    after = f"f.contentDocument.open(); f.contentDocument.write({code}); f.contentDocument.close()" if frame == "blank" else ""
    site.pages["*"] = page(head="", body=f"<script>window.told = null; addEventListener('message', e => {{ told = e.data; }});"
                                  f"const f = document.createElement('iframe'); {make}; document.body.append(f); {after}</script>")
    reader.open(site, "/outer")
    counted(store, counts)
    reader.wait("(frames[0].postMessage(0, '*'), window.told && (told.length || %d))" % len(counts))
    assert len(reader.run("return told")) == (0 if counts else 1)
    counted(store, counts)


def test_a_file(reader, daemon, store, directory):
    file = directory / "page.html"
    for attributes, counts in (('data-site="blog"', {}), ('data-site="blog" data-page="/named"', {"/named": 1})):
        file.write_text(page(head=snippet(daemon, attributes), body=""))
        reader.driver.get(f"file://{file}")
        settle(reader)
        counted(store, counts)
        assert bool(reader.run("return said.length")) != bool(counts)


# --- 9: scripts of the page's own, and what is said ---

def test_the_script_api(reader, daemon, store, site):
    site.pages["*"] = page(head="<script>window.events = []; document.addEventListener('visitcount', e => events.push(e.detail))</script>"
                                  + snippet(daemon), body="<b data-visitcount></b>")
    reader.open(site, "/a")
    shows(reader, "b", "1")
    assert reader.run("return events") == [{"/a": 1}]
    answer = reader.run_async("visitcount.count('/clicked').then(done)")
    assert (answer["count"], answer["page"], answer["status"]) == (1, "/clicked", "counted")
    answer = reader.run_async("visitcount.count('clicked/').then(done)")
    assert answer["count"] == 2, "each call is a visit"
    reader.run("document.body.insertAdjacentHTML('beforeend', '<i data-visitcount=\"/clicked\"></i>'); visitcount.fill()")
    shows(reader, "i", "2")
    daemon.fetch("/v1/hit/blog/clicked")
    reader.run("visitcount.fill()")
    shows(reader, "i", "3")
    assert 3 in reader.run("return events.map(counts => counts['/clicked'])")
    assert totals(store) == {"/a": 1, "/clicked": 3}


def test_count_without_a_page_counts_this_one(reader, daemon, store, site):
    site.pages["*"] = page(head=snippet(daemon), body="<b data-visitcount></b>")
    reader.open(site, "/a")
    shows(reader, "b", "1")
    reader.run("visitcount.count()")
    shows(reader, "b", "2")
    assert totals(store) == {"/a": 2}


@pytest.mark.parametrize("refusal", ["site", "origin"])
def test_a_refusal_is_one_warning(reader, new_daemon, store, site, refusal):
    daemon = new_daemon({"sites": [{"name": "blog", "origins": ["https://elsewhere.example"]}], "bots": "count", **store.settings}).wait_for_store()
    name = "nobody" if refusal == "site" else "blog"
    site.pages["*"] = page(head=snippet(daemon, f'data-site="{name}"'), body="<b data-visitcount>\u2013</b> <i data-visitcount='/x'>\u2013</i>")
    reader.open(site, "/a")
    reader.wait("said.length")
    reader.run("history.pushState({}, '', '/b')")
    settle(reader)
    said = [line for line in reader.run("return said") if line.startswith("visitcount:")]
    assert len(said) == 1 and name in said[0], said
    assert {"site": "site nobody is not counted here", "origin": "its own pages only"}[refusal] in said[0]
    assert reader.run("return document.body.textContent.trim()") == "\u2013 \u2013"
    assert totals(store) == {}


def test_the_snippet_of_the_readme(reader, new_daemon, store, site):
    """With the default configuration."""
    daemon = new_daemon({"bots": "count", **store.settings}).wait_for_store()
    text = (ROOT / "README.md").read_text()
    code = re.search(r"```html\n(.*?)```", text, re.DOTALL)[1].replace("https://count.example", "http://%s:%d" % daemon.address)
    site.pages["*"] = page(head="", body=code)
    reader.open(site, "/a")
    shows(reader, "[data-visitcount]", "1")
    for url in re.findall(r"https://count\.example(/badge/[^)\s]+)", text):
        assert daemon.fetch(url).status == 200


def test_it_leaves_nothing_behind(reader, daemon, store, site):
    site.pages["*"] = page(head=snippet(daemon), body="<b data-visitcount></b>")
    before = reader.open(site, "/before").run("return document.cookie + localStorage.length + sessionStorage.length")
    shows(reader, "b", "1")
    assert before == reader.run("return document.cookie + localStorage.length + sessionStorage.length") == "00"
    assert reader.driver.get_cookies() == []


def test_the_size_that_is_served(daemon):
    body = count_js(daemon)
    size, packed = len(body), len(gzip.compress(body, 6))
    print(f"count.js: {size} bytes, {packed} with gzip")
    assert size <= 4500 and packed <= 2048
    text = body.decode()
    assert not re.search(r"\?\.|\?\?|\|\|=|&&=|#\w+\s*=|\bcookie|localStorage|sessionStorage|\bimport\b|replaceAll|\.at\(|\bstatic\b", text)
    assert max(map(len, text.splitlines())) < 130 and "\n/*" in "\n" + text, "it is source that people read"


# --- which page it is ---

ADDRESSES = [
    ('data-query="p,id"', "/?p=12&x=1", "/?p=12"), ('data-query="p,id"', "/?id=3&p=12", "/?p=12&id=3"), ('data-query="p, id"', "/a/?utm=x", "/a"),
    ('data-query="q"', "/s?q=caf%C3%A9+au%20lait", "/s?q=caf\u00e9 au lait"), ('data-query="p"', "/?p=1%26id%3D2", "/?p=1%26id=2"),
    ('data-query="p"', "/?p=a%2Fb%25", "/?p=a%2Fb%25"), ('data-query="p"', "/?p=", "/?p="),
    ("data-hash", "/app/#/guide/", "/app#/guide"), ("data-hash", "/#!/guide?x=1", "/#/guide"), ("data-hash", "/a#part", "/a"), ("data-hash", "/a#/", "/a"),
    ('data-hash data-query="id"', "/#/user?id=7&x=1", "/#/user?id=7"),
    ("data-canonical", "/a", "/canonical/page"), ("data-canonical data-page='/b'", "/a", "/b")]


def test_which_page_it_is(reader, daemon, store, site):
    for attributes, address, name in ADDRESSES:
        before = store.totals()
        head = '<link rel="canonical" href="https://blog.example/canonical/page/?x=1">' if "canonical" in attributes else ""
        site.pages["*"] = page(head=head + snippet(daemon, 'data-site="blog" ' + attributes), body="<b data-visitcount></b>")
        reader.driver.get("about:blank")  # a fragment alone is no new page
        reader.open(site, address)
        settle(reader)
        assert gained(store, before) == {("blog", name): 1}, (attributes, address)
        assert reader.run("return said") == []


def test_a_hash_router(reader, daemon, store, site):
    site.pages["*"] = page(head=snippet(daemon, 'data-site="blog" data-hash'), body="<b data-visitcount></b>")
    reader.open(site, "/app")
    shows(reader, "b", "1")
    reader.run("location.hash = '#/one'")
    counted(store, {"/app": 1, "/app#/one": 1})
    settle(reader)
    reader.run("location.hash = '#/one/'")
    settle(reader)
    reader.run("location.hash = '#/'")
    counted(store, {"/app": 2, "/app#/one": 1})


def test_a_function_names_the_page(reader, daemon, store, site):
    head = "<script>window.visitcount = {page: name => name.startsWith('/private') ? null : name.replace(/^\\/[a-z]{2}\\//, '/')}</script>"
    site.pages["*"] = page(head=head + snippet(daemon), body="<b data-visitcount>\u2013</b>")
    reader.open(site, "/de/about")
    shows(reader, "b", "1")
    reader.run("history.pushState({}, '', '/private/x')")
    settle(reader)
    reader.run("history.pushState({}, '', '/fr/about')")
    counted(store, {"/about": 2})


def test_names_that_are_odd(reader, daemon, store, site):
    """A bare "%", bytes that are not UTF-8 and a name that is too long: counted under the spelling that the documents define."""
    site.pages["*"] = page(head=snippet(daemon), body="<b data-visitcount></b>")
    for address, name in (("/100%", "/100%"), ("/caf%E9", "/caf%E9"), ("/caf%e9/%C3%A9", "/caf%E9/\u00e9")):
        reader.open(site, address)
        shows(reader, "b", "1")
        assert totals(store)[name] == 1
    reader.open(site, "/" + "x" * 600)
    shows(reader, "b", "1")
    (name,) = [name for name in totals(store) if name.startswith("/xxx")]
    assert len(name) <= 512
