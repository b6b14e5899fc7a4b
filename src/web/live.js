/* Updates the numbers of a visitcountd page live. SPDX-License-Identifier: MIT */
(body => {
  const state = document.getElementById("state");
  const number = document.querySelector("[data-count]");
  /* ids of the elements that refresh() replaces from a new copy of the page */
  const parts = ["notice", "total", "today", "visitors", "chart", "toplist", "days", "uncounted"];
  const REFRESH_MS = 2000;
  let refreshed = 0, timer, lost = false;

  const say = (text, isOn) => {
    if (!state || state.textContent == text) return;
    state.textContent = text;
    state.classList.toggle("on", isOn);
  };

  const refresh = async () => {
    timer = undefined;
    refreshed = Date.now();
    try {
      const answer = await fetch(location.href);
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of parts) {
        const now = document.getElementById(id), then = page.getElementById(id);
        if (now && then && now.innerHTML != then.innerHTML) now.replaceChildren(...then.childNodes);
      }
    } catch { /* stream.onopen refreshes after a reconnect */ }
  };
  const later = () => {
    if ("refresh" in body.dataset && !timer && !document.hidden)
      timer = setTimeout(refresh, Math.max(0, refreshed + REFRESH_MS - Date.now()));
  };

  const stream = new EventSource(body.dataset.stream);
  stream.onmessage = ({ data }) => {
    number.textContent = JSON.parse(data).count.toLocaleString("en");
    later();
  };
  stream.onopen = () => {
    say("live", true);
    if (lost) later();
    lost = false;
  };
  stream.onerror = () => {
    lost = true;
    say("not live", false);
  };
  document.addEventListener("visibilitychange", later);
})(document.body);
