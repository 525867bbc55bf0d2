// Slides: one section of the page at a time, by its number in the address. Without this script the page is read as it is.
(() => {
  const root = document.documentElement;
  const slides = [...document.querySelectorAll("main > section")];
  const at = (id) => document.getElementById(id);
  const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
  let current = -1; // -1: the page

  function show(number) {
    current = Math.min(Math.max(number, 0), slides.length - 1);
    history.replaceState(null, "", `#slide-${current + 1}`); // a reload stays; the way back is not through all slides
    root.classList.add("slides");
    slides.forEach((slide, n) => slide.classList.toggle("shown", n === current));
    at("place").textContent = `${current + 1} / ${slides.length}`;
    scrollTo(0, 0);
    // read aloud where the reader is; who presses the buttons again and again keeps them
    if (!document.activeElement.closest(".controls")) slides[current].querySelector("h1, h2").focus();
  }

  function present() {
    history.pushState(null, "", "#slide-1"); // the way back leads to the page
    show(0);
  }

  function leave() {
    const slide = slides[current];
    current = -1;
    root.classList.remove("slides");
    if (document.fullscreenElement) document.exitFullscreen();
    slide.scrollIntoView();
    slide.querySelector("h1, h2").focus({ preventScroll: true });
  }

  function follow() {
    const number = /^#slide-(\d+)$/.exec(location.hash);
    if (number) show(number[1] - 1);
    else if (current >= 0) leave();
  }

  function leaveTo() {
    history.replaceState(null, "", `#${slides[current].id}`);
    leave();
  }

  function fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else root.requestFullscreen?.().catch(() => {}); // where the browser refuses, the window stays as it is
  }

  addEventListener("hashchange", follow);
  at("present").addEventListener("click", present);
  at("previous").addEventListener("click", () => show(current - 1));
  at("next").addEventListener("click", () => show(current + 1));
  at("leave").addEventListener("click", leaveTo);

  addEventListener("keydown", (event) => {
    if (current < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === " " && event.target.closest("button, a")) return; // it presses them
    if (event.key in steps) show(current + (event.key === " " && event.shiftKey ? -1 : steps[event.key]));
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(slides.length - 1);
    else if (event.key === "Escape") leaveTo();
    else if (event.key === "f") fullScreen();
    else return;
    event.preventDefault();
  });

  addEventListener("click", (event) => { // a link of the list leads to a slide while there are slides
    const link = event.target.closest('a[href^="#"]');
    const number = link ? slides.findIndex((slide) => slide.id === link.hash.slice(1)) : -1;
    if (current < 0 || number < 0) return;
    event.preventDefault();
    show(number);
  });

  let finger = null; // where one finger came down
  addEventListener("touchstart", (event) => { finger = event.touches.length === 1 ? event.touches[0] : null; }, { passive: true });
  addEventListener("touchend", (event) => {
    if (current < 0 || !finger || visualViewport.scale > 1.01) return; // who looks at a part moves that
    const [x, y] = [event.changedTouches[0].clientX - finger.clientX, event.changedTouches[0].clientY - finger.clientY];
    if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) show(current + (x < 0 ? 1 : -1));
  }, { passive: true });

  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    document.querySelectorAll(".animation").forEach((animation) => { animation.open = false; });
  }
  document.querySelectorAll(".present, .controls").forEach((part) => { part.hidden = false; });
  follow();
})();
