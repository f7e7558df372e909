"use strict";
// Without this script the two parts of a picture stand side by side; with it one lies on the other.
for (const pair of document.querySelectorAll(".pair")) {
  const stack = pair.querySelector(".stack");
  const slider = pair.querySelector("input");
  const only = pair.querySelector("button");
  const show = (share) => stack.style.setProperty("--share", share + "%");
  pair.classList.add("compares");
  pair.querySelector(".controls").hidden = false;
  const press = (pressed) => only.setAttribute("aria-pressed", String(pressed));
  slider.addEventListener("input", () => {
    press(false);
    show(slider.value);
  });
  only.addEventListener("click", () => {
    const pressed = only.getAttribute("aria-pressed") !== "true";
    press(pressed);
    show(pressed ? 0 : slider.value);
  });
}
