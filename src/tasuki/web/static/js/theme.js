// Before the first paint, and so no module: the theme of the URL or the one chosen last.
(() => {
  let theme = new URLSearchParams(location.hash.slice(1)).get("theme");
  try {
    theme ??= localStorage.getItem("tasuki.theme");
  } catch {
    // a frame without storage
  }
  if (theme) document.documentElement.dataset.theme = theme;
})();
