// What the page does before and beside textual.js: where the websocket is, the size of letters, who has the keys.

const asked = new URLSearchParams(location.search);
const size = Number(asked.get("fontsize"));
history.replaceState(null, "", location.pathname); // the token is in a cookie now, and need not be seen

document.addEventListener("DOMContentLoaded", () => {
  const terminal = document.getElementById("terminal");
  terminal.dataset.fontSize = size >= 6 && size <= 60 ? size : 16;
  terminal.dataset.sessionWebsocketUrl =
    (location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/ws";
  document.getElementById("again").addEventListener("click", () => location.reload());
});

// textual.js opens its terminal when everything is loaded; keys go to it at once, without a click
window.addEventListener("load", () => {
  const take = () => document.querySelector(".xterm-helper-textarea")?.focus();
  setTimeout(take, 0);
  new MutationObserver(take).observe(document.body, { attributeFilter: ["class"] });
});
